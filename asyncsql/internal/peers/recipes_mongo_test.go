//go:build unix

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
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

func TestMongoInThreads(t *testing.T) {
	addr := startMongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr).SetMaxPoolSize(threads))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.WithoutCancel(t.Context()))
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
	recipe(t, func(ctx context.Context, i int) error {
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
	}, func(ctx context.Context) error {
		rows, err := followed.Find(ctx, bson.D{}, options.Find().SetCursorType(options.TailableAwait).SetMaxAwaitTime(limit))
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
	})
}
