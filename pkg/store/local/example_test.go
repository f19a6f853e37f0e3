package local_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// A transaction is made only while its guards hold.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "confctl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := local.Open(filepath.Join(dir, "state.db"), local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	ctx := context.Background()
	create := store.Txn{
		Guards: []store.Guard{{Key: "/key", Revision: 0}}, // it does not exist
		Writes: []store.Write{{Key: "/key", Value: []byte("value")}},
	}
	_, err = s.Commit(ctx, create)
	fmt.Println(err)
	_, err = s.Commit(ctx, create)
	fmt.Println(errors.As(err, new(*store.ConflictError)))

	snapshot, err := s.Read(ctx, "/key")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", snapshot.Entries[0].Value)
	// Output:
	// <nil>
	// true
	// value
}
