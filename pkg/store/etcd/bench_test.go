package etcd

import (
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// BenchmarkRead reads many keys, and compares with the stock client, which does not
// use what it read.
func BenchmarkRead(b *testing.B) {
	server := etcdtest.Start(b)
	c := client(b, server)
	s := open(b, Config{Endpoints: server.URLs(), Debug: func(string, ...any) {}})
	value := strings.Repeat(`{"weight": 10, "pooled": "yes"} `, 3)
	n := 0
	for _, size := range []int{10_000, 100_000} {
		for n < size {
			var txn store.Txn
			for range 2500 {
				txn.Writes = append(txn.Writes, put(fmt.Sprintf("/conftool/v1/pools/eqiad/cluster/service/host%06d.eqiad.wmnet", n), value))
				n++
			}
			if _, err := s.Commit(b.Context(), txn); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("store/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if snap, err := s.Read(b.Context(), "/conftool/v1/"); err != nil || len(snap.Entries) != size {
					b.Fatal(len(snap.Entries), err)
				}
			}
		})
		b.Run(fmt.Sprintf("client/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(b.Context(), "/conftool/v1/", clientv3.WithPrefix()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
