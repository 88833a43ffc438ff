package rules_test

import (
	"slices"
	"strings"
	"testing"

	"framehub/rules"
)

func TestWords(t *testing.T) {
	table := rules.Table{Number: 1, Name: "car", Key: 1, Scope: 1, Columns: []rules.Column{
		{Name: "id", Type: "INTEGER"}, {Name: "zone", Type: "INTEGER"}, {Name: "x", Type: "REAL"}, {Name: "y", Type: "REAL"},
		{Name: "owner", Type: "TEXT"}, {Name: "name", Type: "TEXT"}, {Name: "raw", Type: "BLOB"}, {Name: "score", Type: "INTEGER"}, {Name: "sum", Type: "INTEGER"},
	}}
	set, mistakes := rules.Parse([]byte(`
[tables.car]
scope = "zone"
scopes = "token"
writers = "hub"
on-demand = true
read = ["device", "server"]
insert = ["device"]
update = "all"
owner = "owner"
max-owned = 3
on-gone = "delete"
map = ["x", "y"]
precision = { x = 0.01 }
text.name = { max = 16, pattern = "[a-z]+" }
text.owner = { multiline = true }
blob.raw.max = 100
server-only = ["score"]
read-only = ["sum"]
`), nil)
	if len(mistakes) > 0 {
		t.Log(mistakes)
	}
	c, mistakes := set.Compile([]rules.Table{table})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	w := c.Words(1)
	if w.Open || w.Rights["device"] != "riu" || w.Rights["server"] != "ru" || w.Rights["admin"] != "" {
		t.Errorf("%+v", w.Rights)
	}
	want := strings.Split(`devices subscribe by zone
only to those that their token lists
only who asks for it gets it
only the hub writes it, no other program
owner says whose a row is
a user owns 3 rows at most
rows go when their owner has gone
x is kept to 0.01
owner is a text of lines
name is a text of one line with 16 characters at most like [a-z]+
raw has 100 bytes at most
score is set by trusted roles only
sum is set by SQL only`, "\n")
	if !slices.Equal(w.Rules, want) {
		t.Errorf("%q", w.Rules)
	}
	if x, y, ok := c.Map(1); !ok || x != 2 || y != 3 {
		t.Error(x, y, ok)
	}
	var none *rules.Set
	if c, _ = none.Compile([]rules.Table{table}); !c.Words(1).Open || c.Words(1).Rights["observer"] != "r" || c.Words(1).Rights["device"] != "riud" {
		t.Errorf("%+v", c.Words(1))
	}
	if _, _, ok := c.Map(1); ok {
		t.Error("without rules there is a map")
	}
}

// TestRulesThatTakeEachOthersPlace: of several rules for the values of a column of the type ANY one
// alone would hold, without a word.
func TestRulesThatTakeEachOthersPlace(t *testing.T) {
	table := rules.Table{Number: 1, Name: "car", Key: 1, Columns: []rules.Column{{Name: "id", Type: "INTEGER"}, {Name: "v", Type: "ANY"}}}
	for file, want := range map[string]string{
		"[tables.car.precision]\nv = 0.1\n[tables.car.text.v]\nmax = 3":      "line 3: column \"v\" of table \"car\" has a precision",
		"[tables.car.precision]\nv = 0.1\n[tables.car.blob.v]\nmax = 3":      "line 3: column \"v\" of table \"car\" has a blob rule",
		"[tables.car.text.v]\nmax = 3\n[tables.car.blob.v]\nmax = \"64KiB\"": "line 3: column \"v\" of table \"car\" has a blob rule",
	} {
		set, mistakes := rules.Parse([]byte(file), nil)
		if len(mistakes) == 0 {
			_, mistakes = set.Compile([]rules.Table{table})
		}
		if !strings.Contains(mistakes.Error(), want) {
			t.Errorf("%q: %q, want %q", file, mistakes.Error(), want)
		}
	}
}

func TestMapMistakes(t *testing.T) {
	table := rules.Table{Number: 1, Name: "car", Key: 1, Columns: []rules.Column{{Name: "id", Type: "INTEGER"}, {Name: "x", Type: "REAL"}, {Name: "name", Type: "TEXT"}}}
	for rule, want := range map[string]string{
		`map = "x"`:           "must be a list of columns",
		`map = ["x"]`:         "two columns",
		`map = ["x","x"]`:     "twice",
		`map = ["x","y","z"]`: "two columns",
		`map = ["x","y"]`:     `no column "y"`,
		`map = ["x","name"]`:  "the rule is for numbers",
		`map = ["id","x"]`:    "",
	} {
		set, mistakes := rules.Parse([]byte("[tables.car]\n"+rule), nil)
		if len(mistakes) == 0 {
			_, mistakes = set.Compile([]rules.Table{table})
		}
		if got := mistakes.Error(); want == "" && got != "" || !strings.Contains(got, want) || want != "" && mistakes[0].Line != 2 {
			t.Errorf("%s: %q", rule, got)
		}
	}
}
