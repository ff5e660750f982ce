// Package node is the command asyncio-node.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// usageError is the error of a command line that asks for what cannot be.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Main runs the command and returns its exit code. The first interrupt has workers
// and server leave in order, the second ends the process.
func Main(args []string, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, args, out, errs)
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := rootCommand(out)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(errs, "asyncio-node: %v\n", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(errs, "asyncio-node: try 'asyncio-node --help'")
		return exitUsage
	}
	return exitFailed
}

func rootCommand(out io.Writer) *cobra.Command {
	o := new(options)
	root := &cobra.Command{
		Use:   "asyncio-node [options] [-- PROGRAM [ARGUMENT...]]",
		Short: "A member of a cluster: a NATS server and workers",
		Long: `asyncio-node starts a NATS server, or joins one with --join, and keeps worker
processes running: PROGRAM, which calls cluster.Serve(ctx, ""). They find the
cluster by their environment (NATS_URL and its kin). A worker that ends is started
again. ^C lets them end what they run, and stops the server then.`,
		Example: `  asyncio-node -- ./myprogram work
  asyncio-node --listen 0.0.0.0:4222 --token secret --store file --dir /var/lib/node -- ./myprogram work
  asyncio-node --join nats://secret@first:4222 --workers 8 -- ./myprogram work
  asyncio-node status --join nats://secret@first:4222`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at > 0 || at < 0 && len(args) > 0 {
				return usagef("there is no command %q; a program to run goes behind --", args[0])
			}
			o.program = args
			if err := o.check(cmd); err != nil {
				return err
			}
			return runNode(cmd.Context(), o, out)
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.DisableDefaultCmd = true
	o.connection(root)
	o.server(root)
	root.AddCommand(statusCommand(out), deadCommand(out))
	return root
}
