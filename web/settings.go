package web

// A Setting is a part of the configuration that is in force.
type Setting struct {
	Name  string `json:"name"` // of the flag, without --
	Value string `json:"value"`
	From  string `json:"from"` // flag, environment, file or default
	Help  string `json:"help"`
}

// RuleFile is the answer of GET /api/rules: the file as it lies there, whether or not its
// rules are those in force.
type RuleFile struct {
	Path     string    `json:"path"` // "": there is none, and everything is allowed
	Text     string    `json:"text"` // without secrets
	Mistakes []Mistake `json:"mistakes"`
	Trouble  string    `json:"trouble,omitempty"` // what else keeps it from being reloaded, in words
	Changed  []string  `json:"changed"`           // what a reload would change
	Advice   []string  `json:"advice"`            // what would make its rules cheaper
}

// A Mistake is one in the file of rules.
type Mistake struct {
	Line int    `json:"line"` // from 1
	Text string `json:"text"` // what is wrong, and what to do
}
