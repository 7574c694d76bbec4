//! Serving HTTP/1.1 with limits on connections, heads, bodies and time; problem documents; drain.
