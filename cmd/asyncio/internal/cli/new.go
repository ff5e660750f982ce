package cli

import (
	"fmt"

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
clock, and a workflow that checks it. The directory may exist, and must be empty.`,
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
		fmt.Fprintf(p.out, "%s/%s\n", dir, name)
	}
	fmt.Fprintf(p.out, "\nNow:\n  cd %s\n  go mod tidy\n  go test ./...\n  go run .\n", dir)
	return nil
}
