package main

import (
	"encoding"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"framehub/rules"
	"framehub/web"
)

// settings lists the flags of a command that was parsed, by name, with what is in force
// and who said so. Secrets in addresses are hidden.
func settings(c *kong.Context) (all []web.Setting) {
	given := map[string]string{}
	for _, p := range c.Path {
		switch {
		case p.Flag == nil:
		case p.Resolved:
			given[p.Flag.Name] = "file"
		default:
			given[p.Flag.Name] = "flag"
		}
	}
	for _, f := range c.Flags() {
		if f.Name == "help" || f.Hidden {
			continue
		}
		from := given[f.Name]
		if from != "flag" && slices.ContainsFunc(f.Envs, isSet) {
			from = "environment"
		}
		if from == "" {
			from = "default"
		}
		all = append(all, web.Setting{Name: f.Name, Value: withoutSecrets(settingText(c.FlagValue(f))), From: from, Help: f.Help})
	}
	slices.SortFunc(all, func(a, b web.Setting) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func isSet(env string) bool {
	_, set := os.LookupEnv(env)
	return set
}

// settingText writes a flag's value as one would give it.
func settingText(v any) string {
	if m, ok := v.(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
		texts := make([]string, list.Len())
		for i := range texts {
			texts[i] = settingText(list.Index(i).Interface())
		}
		return strings.Join(texts, ", ")
	}
	return fmt.Sprint(v)
}

var (
	addressText = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"',]+`)
	secretKey   = regexp.MustCompile(`AGE-SECRET-KEY-[0-9A-Z]+`)
	// openParameters are those of addresses that are no secrets.
	openParameters = []string{"admin", "endpoint", "region", "style"}
)

const hiddenText = "(hidden)"

// withoutSecrets hides in a text what in addresses may be one: names and passwords, and
// parameters but for those that are known to be none; and secret keys of age.
func withoutSecrets(text string) string {
	text = secretKey.ReplaceAllString(text, hiddenText)
	return addressText.ReplaceAllStringFunc(text, func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			return hiddenText
		}
		before, query, has := strings.Cut(address, "?")
		if u.User != nil {
			before = strings.Replace(before, u.User.String()+"@", hiddenText+"@", 1)
			if i := strings.LastIndexByte(before, '@'); !strings.Contains(before, hiddenText) && i >= 0 { // written otherwise
				before = u.Scheme + "://" + hiddenText + before[i:]
			}
		}
		if !has {
			return before
		}
		parts := strings.Split(query, "&")
		for i, part := range parts {
			name, value, _ := strings.Cut(part, "=")
			if parts[i] = name + "=" + hiddenText; slices.Contains(openParameters, name) {
				parts[i] = name + "=" + withoutSecrets(value)
			}
		}
		return before + "?" + strings.Join(parts, "&")
	})
}

// ruleFile tells of the configuration file as it lies there now, and what is wrong with
// it. reload says what of it would change.
func (r *reloader) ruleFile() web.RuleFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := web.RuleFile{Path: r.file.path, Mistakes: []web.Mistake{}, Changed: []string{}, Advice: []string{}}
	if f.Path == "" {
		return f
	}
	b, err := os.ReadFile(f.Path)
	if err != nil {
		f.Trouble = err.Error()
		return f
	}
	f.Text = withoutSecrets(string(b))
	set, mistakes := rules.Parse(b, r.file.keys)
	if len(mistakes) == 0 {
		mistakes = r.hub.CheckRules(set)
		f.Changed, f.Advice = append(f.Changed, set.Changed(r.file.rules)...), append(f.Advice, r.hub.Advice(set)...)
		if err := r.file.mayBecome(set); err != nil {
			f.Trouble = err.Error()
		}
	}
	for _, m := range mistakes {
		f.Mistakes = append(f.Mistakes, web.Mistake(m))
	}
	return f
}
