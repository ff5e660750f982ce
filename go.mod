module github.com/asyncio-go/asyncio

go 1.26

require pgregory.net/rapid v1.2.0
