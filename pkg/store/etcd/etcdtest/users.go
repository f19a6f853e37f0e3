package etcdtest

import (
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Password is that of all users.
const Password = "secret"

// Guard switches authentication on. Beside root there is a user then who may read
// all keys under a prefix that ends in a slash and, if writes is set, write them;
// both by the role of the user's name.
func (s *Server) Guard(t testing.TB, user, prefix string, writes bool) {
	t.Helper()
	admin, err := clientv3.New(clientv3.Config{Endpoints: s.URLs(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	kind := clientv3.PermissionType(clientv3.PermRead)
	if writes {
		kind = clientv3.PermissionType(clientv3.PermReadWrite)
	}
	ctx := t.Context()
	must(admin.UserAdd(ctx, "root", Password))
	must(admin.UserGrantRole(ctx, "root", "root"))
	must(admin.UserAdd(ctx, user, Password))
	must(admin.RoleAdd(ctx, user))
	must(admin.RoleGrantPermission(ctx, user, prefix, clientv3.GetPrefixRangeEnd(prefix), kind))
	must(admin.UserGrantRole(ctx, user, user))
	must(admin.AuthEnable(ctx))
}

// Rights switches authentication on, with root and users who have rights: the keys
// that they may read, and those that they may also write. One that ends in a slash
// is a prefix.
func (s *Server) Rights(t testing.TB, read, write map[string][]string) {
	t.Helper()
	admin, err := clientv3.New(clientv3.Config{Endpoints: s.URLs(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(admin.UserAdd(ctx, "root", Password))
	must(admin.UserGrantRole(ctx, "root", "root"))
	grant := func(user string, keys []string, kind clientv3.PermissionType) {
		for _, key := range keys {
			end := ""
			if strings.HasSuffix(key, "/") {
				end = clientv3.GetPrefixRangeEnd(key)
			}
			must(admin.RoleGrantPermission(ctx, user, key, end, kind))
		}
	}
	for user := range write {
		must(admin.UserAdd(ctx, user, Password))
		must(admin.RoleAdd(ctx, user))
		must(admin.UserGrantRole(ctx, user, user))
		grant(user, read[user], clientv3.PermissionType(clientv3.PermRead))
		grant(user, write[user], clientv3.PermissionType(clientv3.PermReadWrite))
	}
	must(admin.AuthEnable(ctx))
}
