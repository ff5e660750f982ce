//go:build !linux

package asyncio

import (
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
)

func newDriver() (driver.Driver, error) { return portable.New() }
