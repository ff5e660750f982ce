package asyncio

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/asyncio-go/asyncio/internal/driver"
	"golang.org/x/sys/windows"
)

// sysProcAttr gives the attributes to start with.
func (o *processOptions) sysProcAttr() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if o.sys != nil {
		*attr = *o.sys
	}
	for what, asked := range map[string]bool{
		"WithNewSession":          o.session,
		"WithControllingTerminal": o.controls,
		"WithCredential":          o.credential != nil,
		"WithPdeathsig":           o.deathSig != nil,
		"WithProcessGroup":        o.group && o.groupID != 0,
	} {
		if asked {
			return nil, fmt.Errorf("%s on Windows: %w", what, errors.ErrUnsupported)
		}
	}
	if o.group {
		attr.CreationFlags |= syscall.CREATE_NEW_PROCESS_GROUP
	}
	return attr, nil
}

func diesWithParent(*syscall.SysProcAttr) bool { return false }

// shellCommand runs the line as it is: the shell has rules of its own for
// quotes.
func shellCommand(line string, attr *syscall.SysProcAttr) *exec.Cmd {
	shell := cmp.Or(os.Getenv("COMSPEC"), "cmd.exe")
	attr.CmdLine = `"` + shell + `" /s /c "` + line + `"`
	return exec.Command(shell)
}

func exitCode(s *os.ProcessState) int { return s.ExitCode() }

// terminate is to kill: there is no gentler way.
func terminate(p *os.Process) error { return p.Kill() }

func readerGone(driver.Conn) bool { return false }

func brokenPipe(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}
