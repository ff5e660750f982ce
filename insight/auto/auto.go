// Package auto starts insight when it is imported:
//
//	import _ "github.com/asyncio-go/asyncio/insight/auto"
//
// It logs nothing but a failure, with [slog.Default]. See package insight for what is
// served, and to whom.
package auto

import (
	"log/slog"

	"github.com/asyncio-go/asyncio/insight"
)

func init() {
	if _, err := insight.Start(); err != nil {
		slog.Default().Warn("asyncio: nobody can look into this process", "error", err)
	}
}
