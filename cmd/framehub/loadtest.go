package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

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

	Profile   string        `enum:"mesh,writers,events" default:"mesh" help:"mesh: every device sees every other; writers: devices see nothing, observers all; events: writers that send each other events (${default})."`
	Table     string        `default:"entity" placeholder:"NAME" help:"The table that devices write (${default})."`
	Devices   int           `default:"100" placeholder:"N" help:"Devices that write (${default})."`
	Observers int           `default:"8" placeholder:"N" help:"Devices that keep a copy of what they see; others count it (${default})."`
	Entities  int           `default:"1" placeholder:"N" help:"Rows that a device writes in each transaction (${default})."`
	Hz        float64       `default:"20" placeholder:"HZ" help:"Transactions a second and device (${default})."`
	EventHz   float64       `default:"100" placeholder:"HZ" help:"With the profile events: events a second and device (${default})."`
	Group     int           `default:"10" placeholder:"N" help:"With the profile events: devices that hear each other (${default})."`
	Duration  time.Duration `placeholder:"TIME" help:"How long, such as 1m30s; 30s by default, or the whole trace."`
	Trace     string        `placeholder:"FILE" help:"Play this trace (t,id,x,y,heading,speed; CSV, also .gz): its vehicles are the devices."`
	Speed     float64       `default:"1" placeholder:"X" help:"Play the trace so many times as fast as it was recorded (${default})."`

	JSON bool `name:"json" help:"Print the report as JSON, and nothing else, on standard output."`
}

func (l *loadtestCommand) options() loadtest.Options {
	return loadtest.Options{
		URL: l.URL, Token: l.Token, DB: l.DB, Unchecked: l.Unchecked, AdminURL: l.AdminURL,
		Table: l.Table, Profile: loadtest.Profile(l.Profile), Devices: l.Devices, Observers: l.Observers, Entities: l.Entities,
		Hz: l.Hz, EventHz: l.EventHz, Group: l.Group, Duration: l.Duration, Trace: l.Trace, Speed: l.Speed,
	}
}

// Validate implements kong's: wrong usage is told before anything begins.
func (l *loadtestCommand) Validate() error {
	if min(l.Devices, l.Observers, l.Entities, l.Group) < 1 || min(l.Hz, l.EventHz, l.Speed) <= 0 { // which are defaults to the package
		return errors.New("--devices, --observers, --entities, --hz, --event-hz, --group and --speed must be above 0")
	}
	return l.options().Check()
}

// Run loads a hub and reports. A signal ends the load, and the report is of what there was.
func (l *loadtestCommand) Run(ctx context.Context, a *app) (err error) {
	if err := onlyFiles("framehub loadtest --db", l.DB, "name the admin listener alone (--admin-url), with --unchecked"); err != nil {
		return err
	}
	o := l.options()
	if err := readToken(&o.Token); err != nil {
		return err
	}
	o.Progress, o.Terminal = a.err, terminal(a.err)
	if l.Hub != "" {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		h, err := loadtest.StartHub(loadtest.HubOptions{Program: program, Schema: city.Schema, Config: city.Config, Log: a.err})
		if err != nil {
			return err
		}
		defer func() {
			if e := h.Stop(); e != nil {
				a.log.Error("the embedded hub failed", "err", e)
				err = cmp.Or(err, error(exitError(exitFailed)))
			}
		}()
		o.URL, o.AdminURL, o.DB = h.URL, h.AdminURL, h.DB
	}
	report, err := loadtest.Run(ctx, o)
	if err != nil {
		return fmt.Errorf("load test: %w", err)
	}
	return l.print(a, report)
}

// readToken replaces @FILE by what the file has.
func readToken(token *string) error {
	path, ok := strings.CutPrefix(*token, "@")
	if !ok {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--token: %w", err)
	}
	if *token = strings.TrimSpace(string(text)); *token == "" {
		return fmt.Errorf("--token: %s is empty", path)
	}
	return nil
}

func (l *loadtestCommand) print(a *app, report *loadtest.Report) error {
	write := report.Text
	if l.JSON {
		write = report.JSON
		if !report.OK { // what is wrong is for people
			if err := report.Text(a.err); err != nil {
				return err
			}
		}
	}
	if err := write(a.out); err != nil {
		return err
	}
	if !report.OK {
		return exitError(exitFailed)
	}
	return nil
}
