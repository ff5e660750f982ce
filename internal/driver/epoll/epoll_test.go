//go:build linux

package epoll_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/drivertest"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDriver(t *testing.T) {
	drivertest.Run(t, func() (driver.Driver, error) { return epoll.New() })
}
