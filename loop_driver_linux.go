package asyncio

import (
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/epoll"
)

func newDriver() (driver.Driver, error) { return epoll.New() }
