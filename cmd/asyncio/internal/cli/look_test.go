package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

// look runs a command that looks into processes, in this process.
func look(t *testing.T, args ...string) done {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return done{code, out.String(), errs.String()}
}

func TestLookingSaysWhatIsWrong(t *testing.T) {
	t.Setenv("ASYNCIO_INSIGHT_DIR", t.TempDir())
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"ps", "shop"}, 2, "try 'asyncio help ps'"},
		{[]string{"ps", "1", "2"}, 2, "try 'asyncio help ps'"},
		{[]string{"ps", "--tasks", "-1"}, 2, "--tasks -1 is out of its range"},
		{[]string{"top"}, 2, "try 'asyncio help top'"},
		{[]string{"cancel", "1", "x"}, 2, "x is no number of a task"},
		{[]string{"record", "--seconds", "0", "1"}, 2, "--seconds 0 is out of its range: it is from 1 to 600"},
		{[]string{"record", "--megabytes", "2000", "1"}, 2, "--megabytes 2000 is out of its range"},
		{[]string{"record", "--within", "1ms", "1"}, 2, "--within 1ms is out of its range"},
		{[]string{"ps", "4194999"}, 1, "process 4194999: "},
		{[]string{"where", "./no.sock"}, 1, "no.sock"},
	} {
		if got := look(t, c.args...); got.code != c.code || !strings.Contains(got.errs, c.says) || got.out != "" {
			t.Errorf("%v: %+v", c.args, got)
		}
	}
}

func TestEachCommandThatLooksHasJSONAndSaysWhatAPIDIs(t *testing.T) {
	for _, command := range []string{"ps", "top", "pstree", "where", "graph", "cancel", "dump", "watch", "record", "web"} {
		if got := look(t, "help", command); !strings.Contains(got.out, "--json") || !strings.Contains(got.out, "insight/auto") {
			t.Errorf("%s: %s", command, got.out)
		}
	}
}
