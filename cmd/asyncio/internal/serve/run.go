package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// Run serves until ctx ends, and then answers what has been asked. It says on
// errs where it listens, and writes the access log to out. It must not be called
// on a loop.
func Run(ctx context.Context, o *Options, out, errs io.Writer, loop ...asyncio.Option) error {
	dir := o.Dir
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	defer root.Close()
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	address, err := o.address()
	if err != nil {
		return err
	}
	s := &site{root: root, cached: newCachedFiles(root), hidden: o.Hidden, upload: o.Upload, maxUpload: o.MaxUpload, errs: errs}
	if s.cached != nil {
		defer s.cached.Close()
	}
	if s.maxUpload <= 0 {
		s.maxUpload = DefaultMaxUpload
	}
	handler, done := o.Log.logged(s, out, errs)
	defer done()
	listening := func(a net.Addr) {
		scheme := "http"
		if o.TLS != nil {
			scheme = "https"
		}
		fmt.Fprintf(errs, "asyncio: serving %s at %s://%s/\n", dir, scheme, a)
	}
	return asyncio.Workers(ctx, o.Workers, func(ctx context.Context, w *asyncio.Worker) error {
		return work(ctx, w, address, o, handler, listening)
	}, loop...)
}

// address returns where to listen. That of several workers is tried first: their
// listeners share a port with whoever else is willing to, and would not notice
// another server there.
func (o *Options) address() (string, error) {
	address := o.Listen
	if address == "" {
		address = DefaultListen
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return "", fmt.Errorf("serve: %q is no host:port to listen at: %w", address, err)
	}
	if o.Workers == 1 {
		return address, nil
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("serve: %w", err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// work is one worker.
func work(ctx context.Context, w *asyncio.Worker, address string, o *Options, handler http.Handler, listening func(net.Addr)) error {
	server := &asynchttp.Server{
		Handler:           handler,
		TLSConfig:         o.TLS,
		Protocols:         o.HTTP.protocols(),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
	}
	var shared []asyncio.ServerOption
	if w.Count() > 1 {
		ln, err := w.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		shared = append(shared, asyncio.WithListener(ln))
	}
	addr, err := server.Start(ctx, "tcp", address, shared...)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if w.Index() == 0 {
		listening(addr)
	}
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	// What ends it is a cancellation: nobody sets the future.
	if _, err = asyncio.NewFuture[struct{}](loop).Await(ctx); err == nil {
		return errors.New("serve: ended without a reason")
	}
	err = asyncio.Timeout(context.WithoutCancel(ctx), graceTime, server.Shutdown)
	if err != nil {
		return fmt.Errorf("serve: requests were still under way after %v: %w", graceTime, err)
	}
	return nil
}
