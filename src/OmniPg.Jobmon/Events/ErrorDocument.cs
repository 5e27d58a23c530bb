using System.Buffers;
using System.Text;
using System.Text.Json;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>An exception as JSON for column <c>error</c> and as text for the step's message.</summary>
internal static class ErrorDocument
{
    // Of a recursion that ran away the head of the stack says all there is to say.
    private const int MaxStackBytes = 32 * 1024;
    private const int MaxInner = 10;

    /// <summary>The original's first line, then what it was.</summary>
    public static string Message(Exception error) => error is PostgresException server
        ? $"ERROR: {server.MessageText}\n[SQLSTATE {server.SqlState}] {error.GetType().FullName}"
        : $"ERROR: {error.Message}\n{(error is OmniPgException { SqlState: { } state } ? $"[SQLSTATE {state}] " : "")}{error.GetType().FullName}";

    /// <summary>The exception or, without one, the reason in words.</summary>
    public static string Json(Exception? error, string? reason, TextGuard texts)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            if (error is not null)
            {
                Write(json, error, texts, depth: 0);
            }
            else
            {
                json.WriteStartObject();
                Text(json, "message", reason, texts);
                json.WriteEndObject();
            }
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter json, Exception error, TextGuard texts, int depth)
    {
        json.WriteStartObject();
        json.WriteString("type", error.GetType().FullName);
        Text(json, "message", error is PostgresException { MessageText: var text } ? text : error.Message, texts);
        if (error is OmniPgException own)
            json.WriteString("code", own.Code);
        if (error is PostgresException server)
            WriteServer(json, server, texts);
        if (error.StackTrace is { } stack)
            json.WriteString("stack", TextGuard.Truncate(texts.Clean(stack)!, MaxStackBytes));
        if (error.InnerException is { } inner && depth < MaxInner)
        {
            json.WritePropertyName("inner");
            Write(json, inner, texts, depth + 1);
        }

        json.WriteEndObject();
    }

    private static void WriteServer(Utf8JsonWriter json, PostgresException error, TextGuard texts)
    {
        json.WriteString("sqlState", error.SqlState);
        json.WriteString("severity", error.InvariantSeverity);
        Text(json, "detail", error.Detail, texts);
        Text(json, "hint", error.Hint, texts);
        Text(json, "where", error.Where, texts);
        Text(json, "schema", error.SchemaName, texts);
        Text(json, "table", error.TableName, texts);
        Text(json, "column", error.ColumnName, texts);
        Text(json, "constraint", error.ConstraintName, texts);
    }

    private static void Text(Utf8JsonWriter json, string name, string? value, TextGuard texts)
    {
        if (texts.Clean(value) is { } clean)
            json.WriteString(name, clean);
    }
}
