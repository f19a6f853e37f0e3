package etcdtest

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// AddReader enables authentication, with a user root who may do everything and a user
// who may only read the keys under a prefix. The password of both is secret.
func (s *Server) AddReader(t testing.TB, name, prefix string) {
	t.Helper()
	admin, err := clientv3.New(clientv3.Config{Endpoints: s.URLs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(admin.UserAdd(ctx, "root", "secret"))
	must(admin.UserGrantRole(ctx, "root", "root"))
	must(admin.UserAdd(ctx, name, "secret"))
	must(admin.RoleAdd(ctx, name))
	must(admin.RoleGrantPermission(ctx, name, prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermRead)))
	must(admin.UserGrantRole(ctx, name, name))
	must(admin.AuthEnable(ctx))
}
