module github.com/asyncio-go/asyncio/internal/libraries

go 1.26.0

require (
	github.com/asyncio-go/asyncio v0.0.0
	github.com/gomodule/redigo v1.9.3
	github.com/redis/go-redis/v9 v9.23.0
	go.uber.org/goleak v1.3.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/asyncio-go/asyncio => ../..
