//go:build unix

package spawn_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio/internal/spawn"
)

func TestAttributesBecomeThoseOfTheSystem(t *testing.T) {
	given := &syscall.SysProcAttr{Chroot: "/x"}
	for name, c := range map[string]struct {
		a    spawn.Attributes
		want syscall.SysProcAttr
	}{
		"none":       {spawn.Attributes{}, syscall.SysProcAttr{}},
		"given":      {spawn.Attributes{Sys: given, Session: true}, syscall.SysProcAttr{Chroot: "/x", Setsid: true}},
		"group":      {spawn.Attributes{Group: true, GroupID: 7}, syscall.SysProcAttr{Setpgid: true, Pgid: 7}},
		"group id":   {spawn.Attributes{GroupID: 7}, syscall.SysProcAttr{}},
		"session":    {spawn.Attributes{Session: true}, syscall.SysProcAttr{Setsid: true}},
		"controls":   {spawn.Attributes{Controls: true, ControlFD: 4}, syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 4}},
		"terminal":   {spawn.Attributes{Terminal: &spawn.Size{}}, syscall.SysProcAttr{Setsid: true, Setctty: true}},
		"credential": {spawn.Attributes{Credential: &spawn.Credential{UID: 1, GID: 2, Groups: []uint32{3}}}, syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1, Gid: 2, Groups: []uint32{3}}}},
	} {
		s, err := spawn.New(&spawn.Command{Name: "x", Attributes: c.a})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := spawn.Attr(s); !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v", name, *got)
		}
	}
	if given.Setsid {
		t.Error("what was given was changed")
	}
}

type noSignal struct{}

func (noSignal) Signal()        {}
func (noSignal) String() string { return "no signal" }

func TestADeathSignalMustBeOneOfTheSystem(t *testing.T) {
	if _, err := spawn.New(&spawn.Command{Name: "x", Attributes: spawn.Attributes{DeathSignal: noSignal{}}}); err == nil || !strings.Contains(err.Error(), "no signal") {
		t.Errorf("error %v", err)
	}
}

func TestAProcessLeadsTheGroupOrSessionThatWasAskedFor(t *testing.T) {
	own := syscall.Getpgrp()
	for name, c := range map[string]struct {
		a    spawn.Attributes
		same bool // as this process's group
	}{
		"nothing": {spawn.Attributes{}, true},
		"group":   {spawn.Attributes{Group: true}, false},
		"session": {spawn.Attributes{Session: true}, false},
	} {
		p := shell(t, "exec cat", spawn.Command{Std: std(spawn.Pipe, spawn.DevNull, spawn.DevNull), Attributes: c.a})
		group, err := syscall.Getpgid(p.Pid)
		if err != nil || (group == own) != c.same || !c.same && group != p.Pid {
			t.Errorf("%s: it is in group %d, this one in %d: %v", name, group, own, err)
		}
		p.Discard()
	}
}

func TestTheProgramIsToldTheNameByWhichItWasCalled(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/bin/sh", filepath.Join(dir, "called")); err != nil {
		t.Fatal(err)
	}
	run := func(c spawn.Command) string {
		c.Args = []string{"-c", "echo $0"}
		c.Std = std(spawn.DevNull, spawn.Pipe, spawn.DevNull)
		out, _ := outcome(t, start(t, c))
		return strings.TrimSpace(out)
	}
	t.Setenv("PATH", dir)
	for name, env := range map[string][]string{
		"this process's PATH": nil,
		"its own PATH":        {"A=" + dir, "PATH=" + dir, "path=/nowhere", "PATHS=/nowhere", "nothing"},
		"no PATH of its own":  {"A=b"},
	} {
		if got := run(spawn.Command{Name: "called", Env: env}); got != "called" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := run(spawn.Command{Name: filepath.Join(dir, "called"), Env: []string{"PATH=/nowhere"}}); got != filepath.Join(dir, "called") {
		t.Errorf("by its path: %q", got)
	}
}

// Each descriptor that is inherited is this process's of the same number.
func TestWhatIsInheritedIsThisProcesssOwn(t *testing.T) {
	for i, line := range []string{"cat", "echo words", "echo words >&2"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		kinds := [3]spawn.Kind{spawn.DevNull, spawn.DevNull, spawn.DevNull}
		kinds[i] = spawn.Inherit
		c := spawn.Command{Std: std(kinds[0], kinds[1], kinds[2])}
		got := ""
		if i == 0 {
			c.Std[1].Kind = spawn.Pipe
			saved := os.Stdin
			os.Stdin = r
			p := shell(t, line, c)
			os.Stdin = saved
			_ = r.Close()
			_, _ = io.WriteString(w, "words\n")
			_ = w.Close()
			got, _ = outcome(t, p)
		} else {
			stream := []**os.File{1: &os.Stdout, 2: &os.Stderr}[i]
			saved := *stream
			*stream = w
			p := shell(t, line, c)
			*stream = saved
			_ = w.Close()
			got = string(must(io.ReadAll(r)))
			_ = r.Close()
			_, _ = outcome(t, p)
		}
		if got != "words\n" {
			t.Errorf("descriptor %d: %q", i, got)
		}
	}
}

func TestASizeAtTheEdgeIsASize(t *testing.T) {
	for _, s := range []spawn.Size{{}, {Columns: 1}, {Rows: 1}, {Columns: 1<<16 - 1, Rows: 1<<16 - 1}} {
		if err := s.Check(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
	if err := (spawn.Size{Columns: 70000, Rows: 3}).Check(); err == nil || !strings.Contains(err.Error(), "70000 columns and 3 rows") {
		t.Errorf("error %v", err)
	}
}

func TestTwoTerminalsAreTwo(t *testing.T) {
	var all [2]*spawn.Process
	for i := range all {
		c := spawn.Command{Name: "read line; echo got $line", Shell: true, Attributes: spawn.Attributes{Terminal: &spawn.Size{Columns: 80, Rows: 24}}}
		p, err := must(spawn.New(&c)).Start()
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			t.Skip("no terminals here: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[i] = p
	}
	for i, p := range all {
		word := string(rune('a' + i))
		_, _ = io.WriteString(p.Pipes[1], word+"\n")
		out, _ := io.ReadAll(p.Pipes[1]) // ends with an error, as terminals do
		if !strings.Contains(string(out), "got "+word) {
			t.Errorf("terminal %d: %q", i, out)
		}
		_, _ = p.Wait()
		p.ClosePipes()
	}
}
