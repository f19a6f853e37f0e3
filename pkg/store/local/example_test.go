package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// A transaction is made only while its guards hold.
func ExampleOpen() {
	if err := createTwice(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// true
	// value
}

func createTwice(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "confctl")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := local.Open(filepath.Join(dir, "state.db"), local.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()

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
		return err
	}
	fmt.Printf("%s\n", snapshot.Entries[0].Value)
	return nil
}
