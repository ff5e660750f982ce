//go:build unix

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asyncio-go/asyncio"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// startMongo starts a server that speaks MongoDB's protocol, and returns its address.
// Debian has none. FerretDB is one in Go, which keeps its data in SQLite:
//
//	go install github.com/FerretDB/FerretDB/cmd/ferretdb@v1.24.0
func startMongo(t *testing.T) string {
	t.Helper()
	if mongod, err := exec.LookPath("mongod"); err == nil {
		return startTCP(t, mongod, "--dbpath", ".", "--bind_ip", "127.0.0.1", "--port")
	}
	ferretdb, err := exec.LookPath("ferretdb")
	if err != nil {
		home, _ := os.UserHomeDir()
		ferretdb = find(t, filepath.Join(home, "go/bin/ferretdb"))
	}
	return startTCP(t, ferretdb, "--handler=sqlite", "--sqlite-url=file:./", "--state-dir=-", "--telemetry=disable",
		"--debug-addr=-", "--log-level=error", "--listen-addr=127.0.0.1:%port")
}

// A mongoPool counts a client's connections. The driver calls it on goroutines of its own.
type mongoPool struct {
	mu              sync.Mutex
	open, out, most int // that there are, that calls have, and the most that they had
}

func (p *mongoPool) event(e *event.PoolEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Type {
	case event.ConnectionCreated:
		p.open++
	case event.ConnectionClosed:
		p.open--
	case event.ConnectionCheckedOut:
		p.out++
		p.most = max(p.most, p.out)
	case event.ConnectionCheckedIn:
		p.out--
	}
}

func TestMongoInThreads(t *testing.T) {
	addr := startMongo(t)
	pool := &mongoPool{}
	var following atomic.Pointer[chan struct{}] // has an item for each call that asks for more of a cursor
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr).SetMaxPoolSize(threads).
		SetPoolMonitor(&event.PoolMonitor{Event: pool.event}).
		SetMonitor(&event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if c := following.Load(); c != nil && e.CommandName == "getMore" {
				select {
				case *c <- struct{}{}:
				default:
				}
			}
		}}))
	if err != nil {
		t.Fatal(err)
	}
	db := client.Database("recipes")
	things := db.Collection("things")
	// Who follows a capped collection waits for what comes.
	err = db.CreateCollection(t.Context(), "followed", options.CreateCollection().SetCapped(true).SetSizeInBytes(4096))
	if err != nil {
		t.Fatal(err)
	}
	followed := db.Collection("followed")
	if _, err := followed.InsertOne(t.Context(), bson.D{{Key: "n", Value: 0}}); err != nil {
		t.Fatal(err)
	}
	put := func(ctx context.Context, i int) error {
		key := bson.D{{Key: "_id", Value: i}}
		set := bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 2 * i}}}}
		if _, err := things.UpdateOne(ctx, key, set, options.UpdateOne().SetUpsert(true)); err != nil {
			return err
		}
		var got struct{ N int }
		err := things.FindOne(ctx, key).Decode(&got)
		if err == nil && got.N != 2*i {
			err = fmt.Errorf("put %d and got %d", 2*i, got.N)
		}
		return err
	}
	follow := func(ctx context.Context) error {
		// FerretDB keeps a cursor whose first batch is full, and MongoDB each of this type. With
		// SetMaxAwaitTime the driver would refuse a deadline that comes before that.
		rows, err := followed.Find(ctx, bson.D{}, options.Find().SetCursorType(options.TailableAwait).SetBatchSize(1))
		if err != nil {
			return err
		}
		defer rows.Close(context.WithoutCancel(ctx))
		for rows.Next(ctx) {
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return errors.New("it did not wait")
	}
	recipe(t, put, follow)
	e := asyncio.NewThreadPoolExecutor(threads)
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		begun := make(chan struct{}, threads)
		following.Store(&begun)
		// All connections have a call that waits, and as many calls wait for a thread.
		var tasks []*asyncio.Task[struct{}]
		for range 2 * threads {
			tasks = append(tasks, asyncio.Go(ctx, func(ctx context.Context) error { return inThread(ctx, e, follow) }))
		}
		for range threads {
			if _, err := asyncio.WrapChan(asyncio.CurrentTask(ctx).Loop(), begun).Await(ctx); err != nil {
				return err
			}
		}
		for _, task := range tasks {
			task.Cancel()
		}
		for _, task := range tasks {
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("a task that was cancelled: %v", err)
			}
		}
		return together(ctx, 200, func(ctx context.Context, i int) error {
			return inThread(ctx, e, func(ctx context.Context) error { return put(ctx, i) })
		})
	})
	if err := errors.Join(err, e.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
	pool.mu.Lock()
	open, out, most := pool.open, pool.out, pool.most
	pool.mu.Unlock()
	if out != 0 || most > threads || open > threads {
		t.Errorf("%d connections, %d of them in use, and %d at most; there may be %d, and none in use", open, out, most, threads)
	}
	if err := client.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
}
