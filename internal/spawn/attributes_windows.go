package spawn

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func (a *Attributes) sysProcAttr() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if a.Sys != nil {
		*attr = *a.Sys
	}
	for what, asked := range map[string]bool{
		"WithNewSession":          a.Session,
		"WithControllingTerminal": a.Controls,
		"WithCredential":          a.Credential != nil,
		"WithPdeathsig":           a.DeathSignal != nil,
		"WithProcessGroup":        a.Group && a.GroupID != 0,
	} {
		if asked {
			return nil, fmt.Errorf("%s on Windows: %w", what, errors.ErrUnsupported)
		}
	}
	if a.Group {
		attr.CreationFlags |= syscall.CREATE_NEW_PROCESS_GROUP
	}
	return attr, nil
}

// shellCommand runs the line as it is: the shell has rules of its own for
// quotes.
func shellCommand(line string, attr *syscall.SysProcAttr) *exec.Cmd {
	shell := cmp.Or(os.Getenv("COMSPEC"), "cmd.exe")
	attr.CmdLine = `"` + shell + `" /s /c "` + line + `"`
	return exec.Command(shell)
}

// ExitCode returns the code that the process has given to exit.
func ExitCode(s *os.ProcessState) int { return s.ExitCode() }

// Terminate kills the process: there is no gentler way.
func Terminate(p *os.Process) error { return p.Kill() }

func diesWithThread(*syscall.SysProcAttr) bool { return false }
