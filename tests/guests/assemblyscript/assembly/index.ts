// A header filter: the request gets `x-assembly`, the value of `x-user` or `nobody`, and the response `x-assembly: script`
// and the plugin's configuration in `x-config`. A request for `/denied` is answered with 403.

// What the host calls.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context,
  FilterHeadersStatusValues,
  GrpcStatusValues,
  LogLevelValues,
  RootContext,
  log,
  registerRootContext,
  send_local_response,
  stream_context,
} from "@solo-io/proxy-runtime";

class Root extends RootContext {
  onConfigure(size: u32): bool {
    const done = super.onConfigure(size);
    log(LogLevelValues.info, "assemblyscript: configured");
    return done;
  }

  createContext(id: u32): Context {
    return new Stream(id, this);
  }
}

class Stream extends Context {
  constructor(id: u32, root: Root) {
    super(id, root);
  }

  onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.request;
    if (headers.get(":path") == "/denied") {
      const body = String.UTF8.encode("denied\n");
      send_local_response(403, "denied", body, [], GrpcStatusValues.PermissionDenied);
      return FilterHeadersStatusValues.StopIteration;
    }
    const user = headers.get("x-user");
    headers.add("x-assembly", user == "" ? "nobody" : user);
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(count: u32, endOfStream: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.response;
    headers.add("x-assembly", "script");
    headers.add("x-config", this.root_context.getConfiguration());
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((id: u32) => {
  return new Root(id);
}, "");
