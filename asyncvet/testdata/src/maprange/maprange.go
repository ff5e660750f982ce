package maprange

import (
	"context"
	"maps"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

type hub struct {
	clients map[string]*asyncio.Stream
	fixed   map[string]*asyncio.Stream
}

func (h *hub) add(name string, s *asyncio.Stream) { h.clients[name] = s }

func (h *hub) all(ctx context.Context) {
	for _, c := range h.clients {
		c.Drain(ctx) // want `asyncio.StreamWriter.Drain waits within a range over h.clients, which others change meanwhile`
	}
	for range h.clients {
		wrap.Pause(ctx) // want `wrap.Pause → asyncio.Sleep waits within a range over h.clients`
	}
}

func (h *hub) allThatStay(ctx context.Context) {
	for _, c := range maps.Clone(h.clients) {
		c.Drain(ctx)
	}
	for _, c := range h.fixed {
		c.Drain(ctx)
	}
	for name := range h.clients {
		delete(h.clients, name)
	}
}
