package auto_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/asyncio-go/asyncio/insight"
	_ "github.com/asyncio-go/asyncio/insight/auto"
	"github.com/asyncio-go/asyncio/internal/insightwire"
)

func TestImportingItOpensTheWindow(t *testing.T) {
	if _, err := insight.Start(); !errors.Is(err, insight.ErrStarted) {
		t.Error(err)
	}
	path := filepath.Join(insightwire.Directory(), insightwire.SocketName(os.Getpid()))
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	_ = os.Remove(path) // nobody closes the window of a program that ends
}
