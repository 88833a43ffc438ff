package loadtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// HubOptions say how a hub is started for a load test.
type HubOptions struct {
	Program string    // framehub itself
	Schema  string    // SQL that makes its tables
	Config  string    // its configuration, in TOML: what rules its tables have
	Log     io.Writer // gets what it says to standard error
}

// A HubProcess is a hub in a process of its own, with a database in a folder of
// its own, both gone after Stop.
type HubProcess struct {
	URL, AdminURL, DB string // as [Options] has them

	opts    HubOptions
	listen  [2]string // for devices, for operators
	cmd     *exec.Cmd
	folder  string
	out     io.ReadCloser
	reading sync.WaitGroup
}

// StartHub starts a hub on free ports of this machine and returns once it takes
// devices.
func StartHub(o HubOptions) (*HubProcess, error) {
	folder, err := os.MkdirTemp("", "framehub-loadtest-")
	if err != nil {
		return nil, err
	}
	h := &HubProcess{DB: filepath.Join(folder, "world.db"), opts: o, folder: folder, listen: [2]string{"127.0.0.1:0", "127.0.0.1:0"}}
	if err := h.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a hub: %w", err), os.RemoveAll(folder))
	}
	if err := h.greeting(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a hub: %w", err), h.Stop())
	}
	return h, nil
}

// Restart kills the hub with SIGKILL, as if its machine had failed, and starts it again on
// the same ports and database. It returns once it takes devices.
func (h *HubProcess) Restart() error {
	if err := h.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the hub: %w", err)
	}
	h.reading.Wait()
	_ = h.cmd.Wait() // it was killed
	if err := h.start(); err != nil {
		return fmt.Errorf("start the hub again: %w", err)
	}
	return h.greeting()
}

func (h *HubProcess) start() error {
	o := &h.opts
	schema, config := filepath.Join(h.folder, "schema.sql"), filepath.Join(h.folder, "framehub.toml")
	if err := os.WriteFile(schema, []byte(o.Schema), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(o.Config), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(o.Program, "--log-level", "warn", "serve", "--config", config, "--schema", schema, "--db", h.DB, //nolint:gosec,noctx // this very program; Stop ends it
		"--listen", h.listen[0], "--admin-listen", h.listen[1], "--admin-auth", "none")
	cmd.Stderr = o.Log
	cmd.SysProcAttr = apart()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	h.cmd, h.out = cmd, out
	return nil
}

// greeting reads where the hub listens, and from then on whatever else it prints.
func (h *HubProcess) greeting() error {
	lines := bufio.NewScanner(h.out)
	h.URL, h.AdminURL = "", ""
	for h.URL == "" || h.AdminURL == "" {
		if !lines.Scan() {
			return errors.New("it ended at once")
		}
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case fields[0] == "devices":
			h.URL = fields[1]
		case fields[0] == "operators":
			h.AdminURL = fields[1]
		}
	}
	for i, address := range []string{h.URL, h.AdminURL} {
		u, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("where it listens: %w", err)
		}
		h.listen[i] = u.Host
	}
	h.reading.Go(func() {
		for lines.Scan() { // nobody needs it, but the hub must not wait
			continue
		}
	})
	return nil
}

// Stop stops the hub and removes its folder.
func (h *HubProcess) Stop() error {
	const patience = 10 * time.Second
	_ = h.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	kill := time.AfterFunc(patience, func() { _ = h.cmd.Process.Kill() })
	h.reading.Wait()
	err := h.cmd.Wait()
	kill.Stop()
	if err != nil {
		err = fmt.Errorf("the hub: %w", err)
	}
	return errors.Join(err, os.RemoveAll(h.folder))
}
