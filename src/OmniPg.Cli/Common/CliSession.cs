using System.CommandLine;
using System.Text.Json;
using Npgsql;
using OmniPg.Shared;
using Spectre.Console;

namespace OmniPg.Cli;

/// <summary>One run of one command: its options, its output, its connection.</summary>
internal sealed class CliSession(ParseResult parse, CliHost host) : IAsyncDisposable
{
    /// <summary>Cells that a column of a table must have at least.</summary>
    private const int LeastWidth = 10;

    private readonly List<NpgsqlDataSource> _owned = [];
    private NpgsqlDataSource? _dataSource;

    public CliHost Host => host;

    public TextWriter Out => host.Out;

    public TextWriter Error => host.Error;

    public bool Json => parse.GetValue(GlobalOptions.Json);

    public bool Verbose => parse.GetValue(GlobalOptions.Verbose);

    /// <summary>The server that the command line, the environment or libpq's variables name; opened at first use.</summary>
    public NpgsqlDataSource DataSource => _dataSource ??= NpgsqlDataSource.Create(Connection.ConnectionString);

    /// <summary>Where this session has connected to, as <c>db1:5432/shop</c>; null when that is no place or several, so that none is blamed by mistake.</summary>
    public string? OnlyServer
    {
        get
        {
            NpgsqlDataSource[] opened = _dataSource is null ? [.. _owned] : [.. _owned, _dataSource];
            if (opened is not [{ } one])
                return null;
            var settings = new NpgsqlConnectionStringBuilder(one.ConnectionString);
            return string.Create(null, $"{settings.Host}:{settings.Port}/{settings.Database ?? settings.Username}");
        }
    }

    private NpgsqlConnectionStringBuilder Connection => ConnectionResolver.Resolve(parse.GetValue(GlobalOptions.Connection), host.Variable);

    /// <summary>Another database of the same server, or the server of a connection string or URI; disposed together with this session.</summary>
    public NpgsqlDataSource OpenOther(string where)
    {
        var isConnection = where.Contains('=', StringComparison.Ordinal) || where.Contains("://", StringComparison.Ordinal);
        var settings = isConnection ? ConnectionResolver.Resolve(where, host.Variable) : Connection;
        if (!isConnection)
            settings.Database = where;
        return Own(NpgsqlDataSource.Create(settings.ConnectionString));
    }

    /// <summary>Disposes a data source together with this session.</summary>
    public NpgsqlDataSource Own(NpgsqlDataSource dataSource)
    {
        _owned.Add(dataSource);
        return dataSource;
    }

    public T? Get<T>(Option<T> option) => parse.GetValue(option);

    /// <summary>An argument that may be left out.</summary>
    public T? Find<T>(Argument<T> argument) => parse.GetValue(argument);

    /// <summary>Whether the command line has the option, whatever its value.</summary>
    public bool Has(Option option) => parse.GetResult(option) is { Implicit: false };

    /// <summary>An argument that must say something: an unset variable in a script must not pass for a name.</summary>
    public string NotEmpty(Argument<string> argument) => NotEmpty(Get(argument), argument.Name)!;

    /// <inheritdoc cref="NotEmpty(Argument{string})"/>
    public static string? NotEmpty(string? value, string name) => value is null || !string.IsNullOrWhiteSpace(value) ? value
        : throw new UsageException($"{name} must not be empty.");

    /// <summary>The interval that an option says; null where it is left out.</summary>
    public static PgInterval? Interval(string? value, string name)
    {
        try
        {
            return value is null ? (PgInterval?)null : PgInterval.Parse(value);
        }
        catch (FormatException none)
        {
            throw new UsageException($"{name}: {none.Message}");
        }
    }

    public T Get<T>(Argument<T> argument) => parse.GetRequiredValue(argument);

    /// <summary>Writes one JSON document, indented, with a line end.</summary>
    public void WriteJson(Action<Utf8JsonWriter> write) => Out.WriteLine(IndentedJson.Text(write));

    /// <summary>A sentence for a person; for a program, a JSON object of these members.</summary>
    public void WriteResult(string sentence, Action<Utf8JsonWriter> writeMembers)
    {
        if (!Json)
        {
            Out.WriteLine(sentence);
            return;
        }
        WriteJson(json =>
        {
            json.WriteStartObject();
            writeMembers(json);
            json.WriteEndObject();
        });
    }

    /// <summary>A table for a person; for a program, lines of columns divided by tabs, without a head.</summary>
    public void WriteTable(IReadOnlyList<CliColumn> columns, IEnumerable<string?[]> rows)
    {
        if (host.IsTerminal)
            WriteForPerson(columns, [.. rows]);
        else
            WriteLines(rows);
    }

    /// <summary>A table as <see cref="WriteTable"/> writes it; for a program, a JSON array with an object for each item.</summary>
    public void WriteList<T>(IReadOnlyList<CliColumn> columns, IReadOnlyList<T> items, Func<T, string?[]> cells, Action<Utf8JsonWriter, T> writeMembers)
    {
        if (!Json)
        {
            WriteTable(columns, items.Select(cells));
            return;
        }
        WriteJson(json =>
        {
            json.WriteStartArray();
            foreach (var item in items)
            {
                json.WriteStartObject();
                writeMembers(json, item);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    /// <summary>Lines of columns divided by tabs.</summary>
    public void WriteLines(IEnumerable<string?[]> rows)
    {
        foreach (var row in rows)
            Out.WriteLine(string.Join('\t', row.Select(CellText.Clean)));
    }

    private void WriteForPerson(IReadOnlyList<CliColumn> columns, List<string?[]> rows)
    {
        if (rows.Count == 0)
        {
            // Beside the output: a program that reads it finds none.
            Error.WriteLine("Nothing found");
            return;
        }
        if (!Fits(columns, rows))
        {
            WriteRecords(columns, rows);
            return;
        }
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in columns)
            table.AddColumn(new TableColumn(Markup.Escape(column.Title)) { NoWrap = column.NoWrap, Alignment = column.Right ? Justify.Right : null });
        foreach (var row in rows)
            table.AddRow(row.Select((cell, i) => new Text(CleanLines(cell), columns[i].StyleOf(cell))));
        host.Ansi.Write(table);
    }

    // A column that may wrap needs room for a word; else its letters stand one below the other. A border and two spaces belong to each.
    private bool Fits(IReadOnlyList<CliColumn> columns, List<string?[]> rows)
    {
        var needed = 1;
        foreach (var (i, column) in columns.Index())
        {
            var width = Math.Max(column.Title.Length, rows.Max(row => CellText.Width(CellText.Clean(row[i]))));
            needed += 3 + (column.NoWrap ? width : Math.Min(width, LeastWidth));
        }
        return needed <= host.WindowSize().Width;
    }

    /// <summary>One line for each cell, as <c>psql</c> has it in a narrow window.</summary>
    private void WriteRecords(IReadOnlyList<CliColumn> columns, List<string?[]> rows)
    {
        var head = columns.Max(column => column.Title.Length);
        foreach (var (number, row) in rows.Index())
        {
            if (number > 0)
                Out.WriteLine();
            foreach (var (i, column) in columns.Index())
            {
                if (!string.IsNullOrEmpty(row[i]))
                    Out.WriteLine($"{column.Title.PadRight(head)}  {CellText.Clean(row[i])}");
            }
        }
    }

    // A message of several lines is easier to read as such; a line of its own costs nothing in a table.
    private static string CleanLines(string? cell) => string.Join('\n', (cell ?? "").Split('\n').Select(CellText.Clean));

    public async ValueTask DisposeAsync()
    {
        if (_dataSource is not null)
            await _dataSource.DisposeAsync();
        foreach (var owned in _owned)
            await owned.DisposeAsync();
        try
        {
            await Out.FlushAsync();
        }
        catch (OutputLostException)
        {
            // Reported by the write that met it first.
        }

        await Error.FlushAsync();
    }
}
