using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Jobmon;

/// <summary>Short statements on one connection, each within a limit, with synchronous I/O unless said otherwise.</summary>
/// <remarks>A data source given by the user may wait for ever; a control thread that does takes all locks and heartbeats with it.</remarks>
internal readonly struct ControlConnection(NpgsqlConnection connection, TimeSpan limit)
{
    public static NpgsqlParameter Int(int value) => new NpgsqlParameter<int> { TypedValue = value };

    public static NpgsqlParameter Text(string value) => new NpgsqlParameter<string> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Text };

    public static NpgsqlParameter Uuid(Guid value) => new NpgsqlParameter<Guid> { TypedValue = value };

    public static NpgsqlParameter BigInt(long value) => new NpgsqlParameter<long> { TypedValue = value };

    public static NpgsqlParameter BigInts(long[] values) => new NpgsqlParameter<long[]> { TypedValue = values };

    public void Execute(string sql, params ReadOnlySpan<NpgsqlParameter> parameters) => Scalar<object?>(sql, parameters);

    /// <summary>The same for other threads than the control thread, on connections of their own.</summary>
    public async ValueTask ExecuteAsync(bool async, string sql, NpgsqlParameter parameter)
    {
        using var command = Command(sql, [parameter]);
        if (async)
            await command.ExecuteNonQueryAsync().ConfigureAwait(false);
        else
            command.ExecuteNonQuery();
    }

    /// <summary>The first value of the result; the default where there is none or it is null.</summary>
    public T? Scalar<T>(string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        using var command = Command(sql, parameters);
        return command.ExecuteScalar() is T value ? value : default;
    }

    /// <summary>Every row of the result, each read by <paramref name="read"/>.</summary>
    public List<T> Rows<T>(string sql, Func<NpgsqlDataReader, T> read, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        using var command = Command(sql, parameters);
        using var row = command.ExecuteReader();
        var rows = new List<T>();
        while (row.Read())
            rows.Add(read(row));
        return rows;
    }

    private NpgsqlCommand Command(string sql, ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = OwnConnections.Seconds(limit) };
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }
}
