package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"framehub/durable"
	"framehub/examples/city"
	"framehub/loadtest"
)

type loadtestCommand struct {
	Config kong.ConfigFlag `placeholder:"FILE" help:"Read flags from FILE, in TOML."`

	URL       string `name:"url" default:"ws://127.0.0.1:8080/v1/sync" placeholder:"URL" help:"The hub to load (${default})."`
	Token     string `placeholder:"TOKEN|@FILE" help:"Who the devices are, where the hub asks; @FILE keeps it out of the list of processes."`
	Hub       string `enum:",embedded" default:"" placeholder:"embedded" help:"embedded: start a hub for the test, with the example city in a database of its own."`
	DB        string `name:"db" placeholder:"FILE" help:"The hub's database, to compare with what devices saw."`
	Unchecked bool   `help:"Let a run without --db, in which nothing is compared with SQL, be a good one."`
	AdminURL  string `name:"admin-url" placeholder:"URL" help:"The hub's operators' listener, for what the hub used."`

	AdminToken string `placeholder:"TOKEN|@FILE" help:"A viewer's token for that, where the listener asks; @FILE keeps it out of the list of processes."`

	Profile    string        `enum:"mesh,writers,zones,server,join-storm,events,flaky,transfers" default:"mesh" help:"mesh: every device sees every other; writers: devices see nothing, observers all; zones: devices see the zone that they drive through; server: one session writes for all, who watch; join-storm: that, and all come at once; events: writers that send each other events; flaky: a mesh in which some connections are cut, slow and half-open; transfers: devices move money between accounts (${default})."`
	Table      string        `default:"entity" placeholder:"NAME" help:"The table that devices write (${default})."`
	Devices    int           `default:"100" placeholder:"N" help:"Devices that write (${default})."`
	Observers  int           `default:"8" placeholder:"N" help:"Devices that keep a copy of what they see; others count it (${default})."`
	Entities   int           `default:"1" placeholder:"N" help:"Rows that a device writes in each transaction (${default})."`
	Hz         float64       `default:"20" placeholder:"HZ" help:"Transactions a second and device (${default})."`
	EventHz    float64       `default:"100" placeholder:"HZ" help:"With the profile events: events a second and device (${default})."`
	Group      int           `default:"10" placeholder:"N" help:"With the profile events: devices that hear each other (${default})."`
	FlakyShare float64       `default:"0.5" placeholder:"PART" help:"With the profile flaky: how many of the devices are (${default})."`
	FlakyEvery time.Duration `default:"5s" placeholder:"TIME" help:"With the profile flaky: from one mishap of a device to the next (${default})."`
	Duration   time.Duration `placeholder:"TIME" help:"How long, such as 1m30s; 30s by default, or the whole trace."`
	Trace      string        `placeholder:"FILE" help:"Play this trace (t,id,x,y,heading,speed; CSV, also .gz): its vehicles are the devices."`
	Speed      float64       `default:"1" placeholder:"X" help:"Play the trace so many times as fast as it was recorded (${default})."`
	Warmup     time.Duration `placeholder:"TIME" help:"Leave so much of the beginning out of the figures; by default a tenth, 3s at most; -1s: nothing."`

	Kill  bool `help:"With --hub embedded: kill the hub (kill -9) in the middle and start it again. Devices come back and go on; all who see something keep a copy."`
	Kills int  `default:"1" placeholder:"N" help:"With --kill: how often, spread evenly (${default})."`

	Gate        []string `placeholder:"FIGURE<VALUE" help:"What the figures must be, as in age_p99<50ms,lost=0; a figure that is not known is answered with those that are."`
	FindCeiling string   `enum:",devices" default:"" placeholder:"devices" help:"devices: search for the most that pass the gates, beginning with --devices; each run takes --duration (10s by default) and, with --hub embedded, a hub of its own. Without --gate: age_p99<50ms,lost=0,refused=0."`
	Repeats     int      `default:"3" placeholder:"N" help:"With --find-ceiling: how often to search, for the spread (${default})."`

	JSON bool   `name:"json" help:"Print the report as JSON, and nothing else, on standard output."`
	HTML string `name:"html" placeholder:"FILE" help:"Write the report to FILE, too: a page with charts that needs no network."`

	gates []loadtest.Gate
	page  *durable.File // that becomes HTML once it is whole; nil: there is none
}

func (l *loadtestCommand) options() loadtest.Options {
	kills := 0
	if l.Kill {
		kills = l.Kills
	}
	return loadtest.Options{
		URL: l.URL, Token: l.Token, DB: l.DB, Unchecked: l.Unchecked, AdminURL: l.AdminURL, AdminToken: l.AdminToken,
		Table: l.Table, Profile: loadtest.Profile(l.Profile), Devices: l.Devices, Observers: l.Observers, Entities: l.Entities,
		Hz: l.Hz, EventHz: l.EventHz, Group: l.Group, FlakyShare: l.FlakyShare, FlakyEvery: l.FlakyEvery, Duration: l.Duration, Trace: l.Trace, Speed: l.Speed, Warmup: l.Warmup, Kills: kills, Gates: l.gates,
	}
}

// Validate implements kong's: wrong usage is told before anything begins.
func (l *loadtestCommand) Validate() error {
	if min(l.Devices, l.Observers, l.Entities, l.Group) < 1 || min(l.Hz, l.EventHz, l.Speed, l.FlakyShare, float64(l.FlakyEvery)) <= 0 { // which are defaults to the package
		return errors.New("--devices, --observers, --entities, --hz, --event-hz, --group, --speed, --flaky-share and --flaky-every must be above 0")
	}
	if err := onlyFiles("--db", l.DB, "name the admin listener alone (--admin-url), with --unchecked"); err != nil {
		return err
	}
	if l.Hub != "" && (l.DB != "" || l.AdminURL != "") {
		return errors.New("--hub embedded starts a hub with a database of its own: leave --db and --admin-url out")
	}
	if l.Kill && l.Hub == "" {
		return errors.New("--kill kills only a hub that the load test started itself: add --hub embedded")
	}
	if l.Kills < 1 {
		return errors.New("--kills must be above 0")
	}
	if l.FindCeiling != "" && (l.Trace != "" || l.Repeats < 1) {
		return errors.New("--find-ceiling takes no --trace, whose devices are what they are, and --repeats above 0")
	}
	if l.FindCeiling != "" && len(l.Gate) == 0 {
		l.Gate = []string{loadtest.DefaultGates}
	}
	if l.FindCeiling != "" && l.Duration == 0 {
		l.Duration = 10 * time.Second
	}
	var err error
	if l.gates, err = loadtest.ParseGates(strings.Join(l.Gate, ",")); err != nil {
		return fmt.Errorf("--gate: %w", err)
	}
	return l.options().Check()
}

// Run loads a hub and reports. A signal ends the load, and the report is of what there was.
func (l *loadtestCommand) Run(ctx context.Context, a *app) (err error) {
	o := l.options()
	if err := errors.Join(readToken("--token", &o.Token), readToken("--admin-token", &o.AdminToken)); err != nil {
		return err
	}
	if err := l.openPage(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.closePage()) }()
	o.Progress, o.Terminal = a.err, terminal(a.err)
	if l.FindCeiling != "" {
		return l.findCeiling(ctx, a, o)
	}
	if l.Hub != "" {
		stop, err := embeddedHub(a, &o)
		if err != nil {
			return err
		}
		defer func() {
			if e := stop(); e != nil {
				a.log.Error("the embedded hub failed", "err", e)
				err = cmp.Or(err, error(exitError(exitFailed)))
			}
		}()
	}
	report, err := loadtest.Run(ctx, o)
	if err != nil {
		return fmt.Errorf("load test: %w", err)
	}
	return l.print(a, report, report.OK)
}

// embeddedHub starts a hub with the example city, and returns what stops it.
func embeddedHub(a *app, o *loadtest.Options) (stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h, err := loadtest.StartHub(loadtest.HubOptions{Program: program, Schema: city.Schema, Config: city.Config, Log: a.err})
	if err != nil {
		return nil, err
	}
	o.URL, o.AdminURL, o.DB, o.Restart = h.URL, h.AdminURL, h.DB, h.Restart
	return h.Stop, nil
}

func (l *loadtestCommand) findCeiling(ctx context.Context, a *app, o loadtest.Options) error {
	search := loadtest.CeilingOptions{Options: o, Repeats: l.Repeats, Told: func(s loadtest.Step) { _, _ = fmt.Fprintln(a.err, s) }}
	search.Progress = nil // a line a run is enough
	if l.Hub != "" {
		search.Hub = func(o *loadtest.Options) (func() error, error) { return embeddedHub(a, o) }
	}
	found, err := loadtest.FindCeiling(ctx, search)
	if err != nil {
		return fmt.Errorf("load test: %w", err)
	}
	return l.print(a, found, found.OK)
}

// readToken replaces a flag's @FILE by what the file has.
func readToken(flag string, token *string) error {
	path, ok := strings.CutPrefix(*token, "@")
	if !ok {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	if *token = strings.TrimSpace(string(text)); *token == "" {
		return fmt.Errorf("%s: %s is empty", flag, path)
	}
	return nil
}

// openPage makes the page's file before anything is loaded, so that a mistake in its name
// costs no run. It lies beside its place and takes that only when it is whole.
func (l *loadtestCommand) openPage() (err error) {
	if l.HTML == "" {
		return nil
	}
	if info, err := os.Stat(l.HTML); err == nil && info.IsDir() {
		return fmt.Errorf("--html: %s is a folder: name a file", l.HTML)
	}
	const mode = 0o644
	l.page, err = durable.Create(l.HTML, mode)
	if path, ok := errors.AsType[*fs.PathError](err); ok { // it names a file that nobody knows
		return fmt.Errorf("--html: no file can be made in the folder %s: %w", filepath.Dir(l.HTML), path.Err)
	}
	return err
}

// closePage removes a page that has not come to be.
func (l *loadtestCommand) closePage() error {
	if l.page == nil {
		return nil
	}
	return l.page.Cleanup()
}

// writePage writes the page and puts it in its place.
func (l *loadtestCommand) writePage(report printed) error {
	if l.page == nil {
		return nil
	}
	err := report.HTML(l.page)
	if err == nil {
		err = l.page.Replace()
	}
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

// printed is what came of a load test.
type printed interface {
	Text(w io.Writer) error
	JSON(w io.Writer) error
	HTML(w io.Writer) error
}

// print prints what came of it, and says by the error whether it is good.
func (l *loadtestCommand) print(a *app, report printed, good bool) error {
	if err := l.writePage(report); err != nil {
		return err
	}
	write := report.Text
	if l.JSON {
		write = report.JSON
		if !good { // what is wrong is for people
			if err := report.Text(a.err); err != nil {
				return err
			}
		}
	}
	if err := write(a.out); err != nil {
		return err
	}
	if l.HTML != "" {
		_, _ = fmt.Fprintf(a.err, "page with charts: %s\n", l.HTML)
	}
	if !good {
		return exitError(exitFailed)
	}
	return nil
}
