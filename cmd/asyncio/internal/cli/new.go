package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/project"
)

func (p *program) newCommand() *cobra.Command {
	module := ""
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a service that runs: a web server, a job, tests",
		Long: `New writes a service into the directory NAME: a web server and a job that runs every
minute on one event loop, a clean end, a window for asyncio ps, tests on a virtual
clock and in a simulated world, and a workflow that checks it. The directory may exist,
and must be empty. Its name is that of the program.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.newProject(args[0], module) },
	}
	c.Flags().StringVar(&module, "module", "", "the path of its module; without it, its name")
	return c
}

func (p *program) newProject(dir, module string) error {
	made, err := project.New(dir, module)
	if err != nil {
		return err
	}
	written, err := made.Write(dir)
	if err != nil {
		return err
	}
	for _, name := range written {
		fmt.Fprintln(p.out, filepath.Join(dir, filepath.FromSlash(name)))
	}
	fmt.Fprintf(p.out, "\nNow:\n  cd %s\n", quoted(dir))
	if clone := ownClone(); clone != "" {
		fmt.Fprintf(p.out, "  go mod edit -replace %s   # the clone that this command is of\n", quoted("github.com/asyncio-go/asyncio="+clone))
	}
	fmt.Fprintln(p.out, "  go mod tidy")
	if work := project.Workspace(dir); work != "" {
		fmt.Fprintf(p.out, "  go work use .   # %s\n", work)
	}
	fmt.Fprintln(p.out, "  go test ./...\n  go run .")
	return nil
}

// quoted returns a word as a shell takes it.
func quoted(word string) string {
	if !strings.ContainsAny(word, " \t\n'\"$&;()<>|*?[]#~`!{}") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ownClone returns the directory of the clone that this program was built in, if it was in
// one that is still there. The versions of such a clone may be published nowhere.
func ownClone() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) { // it was built with -trimpath
		return ""
	}
	root := file
	for range 5 { // cmd/asyncio/internal/cli/new.go
		root = filepath.Dir(root)
	}
	if strings.Contains(filepath.Base(root), "@") { // of the module cache
		return ""
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return ""
	}
	return root
}
