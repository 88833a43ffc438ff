package framehub_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitecture compares the package table of ARCHITECTURE.md with the packages of the module and what they import.
func TestArchitecture(t *testing.T) {
	module, packages := listPackages(t)
	table := readTable(t)
	for name, row := range table {
		if _, exists := packages[name]; exists == row.planned {
			t.Errorf("%s: planned is %v in ARCHITECTURE.md, but exists is %v", name, row.planned, exists)
		}
		for _, other := range row.may {
			if _, ok := table[other]; !ok {
				t.Errorf("%s may import %s, which has no row in ARCHITECTURE.md", name, other)
			}
		}
	}
	for name, imports := range packages {
		row, ok := table[name]
		if !ok {
			t.Errorf("%s has no row in ARCHITECTURE.md", name)
			continue
		}
		for _, path := range imports {
			ours, isOurs := strings.CutPrefix(path, module+"/")
			if isOurs && !slices.Contains(row.may, ours) {
				t.Errorf("%s imports %s; by ARCHITECTURE.md it may import %q", name, ours, row.may)
			}
			if slices.Contains(row.never, path) {
				t.Errorf("%s imports %s; by ARCHITECTURE.md it never does", name, path)
			}
		}
	}
}

// listPackages returns the module's path, and by their path below it the packages that have code beside tests, with
// what that code imports.
func listPackages(t *testing.T) (module string, imports map[string][]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Module", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	imports = make(map[string][]string)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
			Module     struct{ Path string }
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		module = p.Module.Path
		if name, ok := strings.CutPrefix(p.ImportPath, module+"/"); ok {
			imports[name] = p.Imports
		}
	}
	if len(imports) == 0 {
		t.Fatal("go list knows no package")
	}
	return module, imports
}

// row is one line of the package table.
type row struct {
	planned    bool
	never, may []string // import paths; those in may are below the module's
}

// readTable reads the table of ARCHITECTURE.md whose header is | package | owns | never | may import |, by package.
func readTable(t *testing.T) map[string]row {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "\n| package | owns | never | may import |\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no table | package | owns | never | may import |")
	}
	table := make(map[string]row)
	for line := range strings.Lines(after) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 {
			break
		}
		for i, name := range code(cells[1]) {
			if _, twice := table[name]; twice || i > 0 {
				t.Errorf("ARCHITECTURE.md: not one row for one package: %s", line)
			}
			table[name] = row{
				planned: strings.Contains(cells[1], "(planned)"),
				never:   code(cells[3]),
				may:     code(cells[4]),
			}
		}
	}
	if len(table) == 0 {
		t.Fatal("ARCHITECTURE.md: the package table is empty")
	}
	return table
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// code returns what stands in code letters in a piece of Markdown.
func code(s string) []string {
	var spans []string
	for _, m := range codeSpan.FindAllStringSubmatch(s, -1) {
		spans = append(spans, m[1])
	}
	return spans
}

var (
	fence = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	link  = regexp.MustCompile(`\]\(<?([^)<>\s]+)>?(?: "[^"]*")?\)|(?m)^\[[^\]]+\]: +(\S+)`)
	// scheme finds the links that lead out of the project.
	scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

var (
	heading   = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	notAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// hasHeading says whether a document has the heading that a link names, as code hosts write it.
func hasHeading(text, anchor string) bool {
	return slices.ContainsFunc(heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1), func(m []string) bool {
		return strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == anchor
	})
}

// TestLinks follows every relative link of the project's Markdown files, to its heading.
func TestLinks(t *testing.T) {
	for _, file := range projectFiles(t) {
		if filepath.Ext(file) != ".md" {
			continue
		}
		text := codeSpan.ReplaceAllString(fence.ReplaceAllString(read(t, file), ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor, _ := strings.Cut(m[1]+m[2], "#")
			if scheme.MatchString(to) {
				continue
			}
			target := file
			if to != "" {
				target = filepath.Join(filepath.Dir(file), filepath.FromSlash(to))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", file, to, err)
			} else if anchor != "" && filepath.Ext(target) == ".md" && !hasHeading(read(t, target), anchor) {
				t.Errorf("%s: link to %s: there is no heading #%s", file, to, anchor)
			}
		}
	}
}

// TestNothingOutside looks for words that speak of the place where the project is made, instead of the project.
func TestNothingOutside(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"../" + "shared", "DEVELOPERS" + ".md"}
	// In a folder that anybody may have, its name says nothing.
	anybodys := []string{"/", "/home", "/opt", "/root", "/srv", "/tmp", "/usr/local", "/usr/src", "/var/tmp"}
	if above := filepath.ToSlash(filepath.Dir(root)); !slices.Contains(anybodys, above) {
		words = append(words, above+"/")
	}
	for _, file := range projectFiles(t) {
		text := read(t, file)
		for _, word := range words {
			if strings.Contains(text, word) {
				t.Errorf("%s speaks of %s", file, word)
			}
		}
	}
}

// projectFiles lists the files that belong to the project: those that git tracks, or all where there is no git.
func projectFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	if _, err := os.Stat(".git"); err == nil {
		// What git is asked for, go test does not see; the index it does, and so a result is old when a file is added.
		_, _ = os.Stat(".git/index")
		out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z").Output()
		if err != nil {
			t.Fatalf("git ls-files: %v", err)
		}
		for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
			if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() { // else removed, not yet committed
				files = append(files, name)
			}
		}
		return files
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".cache" || path == "bin" || path == "data"):
			return fs.SkipDir
		case d.Type().IsRegular():
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
