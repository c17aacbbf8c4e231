// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// vault_server PORT THREADS CONNINFO REPLY: the vault of part_vault.py behind HTTP, as a user would build it:
// civetweb with the appliance's options, a connection to PostgreSQL for each worker, one prepared statement a
// request. POST ending in /encode/... gets or creates a token, /decode/... finds its number. The body is
// looked at only as far as "value":"DIGITS"; the reply is the file REPLY, head and body, with the sixteen
// digits of its last value replaced. Nobody is authenticated and nothing is written down but the row. Ends on
// SIGTERM.
#include "tests/bench/plain_civetweb.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

enum { BODY_BYTES = 512, DIGITS = 16, NUMBER_BYTES = 24, REPLY_BYTES_MAX = 2048 };

static const char marker[] = "coded_value\":\""; // encoded_value and decoded_value

struct vault {
    const char *conninfo;
    char reply[REPLY_BYTES_MAX];
    size_t reply_bytes;
    size_t digits_at; // in the reply
};

static void die(const char *what)
{
    fprintf(stderr, "vault_server: %s\n", what);
    _Exit(1);
}

// ---- the database -----------------------------------------------------------------------------------

static void prepare(PGconn *connection, const char *name, const char *statement)
{
    PGresult *done = PQprepare(connection, name, statement, 0, NULL);
    if (PQresultStatus(done) != PGRES_COMMAND_OK)
        die(PQerrorMessage(connection));
    PQclear(done);
}

static void *open_worker(const struct mg_context *context, int kind)
{
    const struct vault *vault = mg_get_user_data(context);
    if (kind != 1)
        return NULL;
    PGconn *connection = PQconnectdb(vault->conninfo);
    if (PQstatus(connection) != CONNECTION_OK)
        die(PQerrorMessage(connection));
    prepare(
        connection, "encode",
        "WITH made AS (INSERT INTO vault VALUES ($1::bigint, $2::bigint) ON CONFLICT (pan) DO NOTHING "
        "RETURNING token) SELECT token FROM made UNION ALL SELECT token FROM vault WHERE pan = $2::bigint "
        "LIMIT 1");
    prepare(connection, "decode", "SELECT pan FROM vault WHERE token = $1::bigint");
    return connection;
}

static void draw(uint64_t below, char out_number[NUMBER_BYTES])
{
    uint64_t drawn;
    if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
        die("getrandom");
    snprintf(out_number, NUMBER_BYTES, "%llu", (unsigned long long)(drawn % below));
}

// Sixteen digits at most, which the reply is long enough for. false: there are none.
static bool ask(PGconn *connection, bool encode, const char *value, char out_digits[DIGITS + 1])
{
    char token[NUMBER_BYTES];
    draw(10000000000000000, token);
    const char *const both[] = {token, value};
    PGresult *found = PQexecPrepared(connection, encode ? "encode" : "decode", encode ? 2 : 1,
                                     encode ? both : both + 1, NULL, NULL, 0);
    const bool is_there = PQresultStatus(found) == PGRES_TUPLES_OK && PQntuples(found) == 1;
    if (is_there)
        snprintf(out_digits, DIGITS + 1, "%16.16s", PQgetvalue(found, 0, 0));
    PQclear(found);
    return is_there;
}

// ---- requests ---------------------------------------------------------------------------------------

static size_t read_body(struct mg_connection *connection, long long length, char out[BODY_BYTES])
{
    size_t got = 0;
    while (got < BODY_BYTES - 1 && (long long)got < length) {
        const int more = mg_read(connection, out + got, BODY_BYTES - 1 - got);
        if (more <= 0)
            break;
        got += (size_t)more;
    }
    out[got] = '\0';
    return got;
}

static bool find_value(const char *target, const char *body, char out_value[NUMBER_BYTES])
{
    const char *at = strstr(body, "\"value\":\"");
    size_t count = 0;
    if (strstr(target, "/new/") != NULL) {
        draw(10000000000000000, out_value);
        return true;
    }
    if (at == NULL)
        return false;
    for (at += strlen("\"value\":\""); count < DIGITS && isdigit((unsigned char)at[count]); count++)
        out_value[count] = at[count];
    out_value[count] = '\0';
    return count > 0;
}

static int answer(struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    const struct vault *vault = info->user_data;
    char body[BODY_BYTES], value[NUMBER_BYTES], digits[DIGITS + 1], reply[REPLY_BYTES_MAX];
    read_body(connection, info->content_length, body);
    const bool encode = strstr(info->request_uri, "/decode/") == NULL;
    if (!find_value(info->request_uri, body, value) ||
        !ask(mg_get_thread_pointer(connection), encode, value, digits)) {
        static const char refusal[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        mg_write(connection, refusal, sizeof refusal - 1);
        return 1;
    }
    memcpy(reply, vault->reply, vault->reply_bytes);
    memcpy(reply + vault->digits_at, digits, DIGITS);
    mg_write(connection, reply, vault->reply_bytes);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: vault_server PORT THREADS CONNINFO REPLY\n");
        return 2;
    }
    static struct vault vault;
    vault.conninfo = argv[3];
    vault.reply_bytes = plain_read(argv[4], vault.reply, sizeof vault.reply - 1);
    const char *at = strstr(vault.reply, marker);
    if (at == NULL)
        die("the reply holds no value");
    vault.digits_at = (size_t)(at + strlen(marker) - vault.reply);
    const struct mg_callbacks callbacks = {.begin_request = answer, .init_thread = open_worker};
    return plain_serve(argv[1], argv[2], &callbacks, &vault);
}
