package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A process is a server that prints a line with where it listens.
type process struct {
	cmd *exec.Cmd
	out io.ReadCloser
	at  string // the second word of that line
}

// startProcess starts a server and returns once it listens: when it has printed
// a line that starts with greeting.
func startProcess(greeting string, cmd *exec.Cmd) (*process, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, out: out}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 && fields[0] == greeting {
			p.at = fields[1]
			return p, nil
		}
	}
	p.kill()
	return nil, errors.New("it ended before it listened")
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // which says that it was killed
}

// cpu returns the processor time that the process has taken, as /proc has it:
// in ticks of 10 ms, of user and system (proc(5), fields 14 and 15 of stat).
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime, tick = 14 - 3, 15 - 3, 10 * time.Millisecond
	user, err1 := strconv.Atoi(fields[utime])
	system, err2 := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}
