# A listener's lists, as any front-end reads them: plain keys with JSON values.
url=${SEGUE_REDIS_URL:-redis://127.0.0.1:16379/0}
redis-cli -u "$url" GET "segue:v1:next:${1:-ada}"
redis-cli -u "$url" GET "segue:v1:discover:${1:-ada}"
