package spawn

import (
	"io"
	"os"
	"os/exec"
	"testing"
)

// A program may have taken one of its own descriptors away: then there is none to
// hand on, and not a file that is nil.
func TestOnlyTheDescriptorsThatThereAreAreGivenToAProcess(t *testing.T) {
	for given := range 8 {
		var s stdio
		for i := range 3 {
			if given&(1<<i) != 0 {
				s.std[i] = os.Stdin
			}
		}
		var cmd exec.Cmd
		s.giveTo(&cmd)
		for i, has := range []bool{cmd.Stdin != nil, cmd.Stdout != nil, cmd.Stderr != nil} {
			if has != (s.std[i] != nil) {
				t.Errorf("of %03b descriptor %d: %v", given, i, has)
			}
		}
		if cmd.Stdin != nil && cmd.Stdin != io.Reader(os.Stdin) {
			t.Error(cmd.Stdin)
		}
	}
}
