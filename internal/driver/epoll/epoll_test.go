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

func BenchmarkDriver(b *testing.B) {
	drivertest.Bench(b, func() (driver.Driver, error) { return epoll.New() })
}

func TestDriver(t *testing.T) {
	drivertest.Run(t, func() (driver.Driver, error) { return epoll.New() })
}
