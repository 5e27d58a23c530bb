using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OmniPg.Partman;

namespace OmniPg.Cli;

/// <summary>The commands that show sets and partitions, and two small ones that change a set.</summary>
internal static class PartitionCommands
{
    private const int BarCells = 20;

    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Argument<string?> Listed = new("TABLE") { Description = "The partitioned table; without a schema it is in public", Arity = ArgumentArity.ZeroOrOne };

    private static readonly Argument<string> Value = new("VALUE") { Description = "A moment, an id, or a UUID of version 7" };

    public static Command CreateList(CliHost host) => CliCommand.Create(
        host, "list", "Partitions with bounds and sizes, and what the next maintenance does with each", "omnipg partman list app.events", ListAsync, Listed);

    public static Command CreateSets(CliHost host) => CliCommand.Create(host, "sets", "All sets in the order of maintenance", "omnipg partman sets", SetsAsync);

    public static Command CreateLocate(CliHost host) => CliCommand.Create(
        host, "locate", "Which partition takes a value, or will when it exists", "omnipg partman locate app.events 2026-01-31", LocateAsync, Table, Value);

    public static Command CreateFillGaps(CliHost host) => CliCommand.Create(
        host, "fill-gaps", "Creates what is missing between the partitions", "omnipg partman fill-gaps app.events", FillGapsAsync, Table);

    public static Command CreateDrain(CliHost host) => CliCommand.Create(
        host, "drain", "Moves the rows of the default partition into partitions of their own", "omnipg partman drain app.events", DrainAsync, Table);

    public static Command CreateForget(CliHost host) => CliCommand.Create(
        host, "forget", "Deletes the configuration of a set; its tables stay", "omnipg partman forget app.events", ForgetAsync, Table);

    private static async Task<int> ListAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = CliSession.NotEmpty(session.Find(Listed), Listed.Name) ?? throw new UsageException("TABLE is missing: 'omnipg partman sets' lists the sets, 'omnipg partman list TABLE' the partitions of one.");
        var partitions = await PartmanCommands.Open(session).ListPartitionsAsync(PartmanCommands.NameOf(table), cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json => Write(json, partitions));
            return ExitCodes.Done;
        }
        if (session.Host.IsTerminal)
        {
            foreach (var line in Timeline.Lines(partitions, session.Host.WindowSize().Width))
                session.Out.WriteLine(line);
        }
        var largest = Math.Max(1, partitions.Max(p => p.TotalBytes));
        List<CliColumn> columns = ["Partition", new("Lower", NoWrap: true), new("Upper", NoWrap: true), new("Rows", Right: true), new("Bytes", Right: true), new("Next", NoWrap: true)];
        if (session.Host.IsTerminal)
            columns.Add(new CliColumn("Size", NoWrap: true));
        session.WriteTable(columns, partitions.Select(p => (string?[])
        [
            p.Name.ToString(), p.IsDefault ? "DEFAULT" : p.Lower.ToString(), p.IsDefault ? "" : p.Upper.ToString(),
            p.Fate == PartitionFate.Create || p.EstimatedRows < 0 ? "" : p.EstimatedRows.ToString(CultureInfo.InvariantCulture),
            p.Fate == PartitionFate.Create ? "" : p.TotalBytes.ToString(CultureInfo.InvariantCulture), Name(p.Fate),
            .. session.Host.IsTerminal ? new[] { p.Fate == PartitionFate.Create ? new string('░', 1) : new string('█', (int)(p.TotalBytes * BarCells / largest)) } : [],
        ]));
        return ExitCodes.Done;
    }

    private static async Task<int> SetsAsync(CliSession session, CancellationToken cancellationToken)
    {
        var sets = await PartmanCommands.Open(session).ListSetsAsync(cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartArray();
                foreach (var set in sets)
                {
                    json.WriteStartObject();
                    json.WriteString("table", set.Table.ToString());
                    json.WriteString("control", set.Control);
                    json.WriteString("interval", IntervalOf(set));
                    json.WriteString("timeZone", set.Interval is null ? null : set.TimeZone);
                    json.WriteNumber("premake", set.Premake);
                    json.WriteString("retention", RetentionOf(set));
                    json.WriteString("lastMaintenance", set.LastMaintenance?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
            return ExitCodes.Done;
        }
        session.WriteTable(
            ["Set", "Control", "Interval", "Zone", new CliColumn("Premake", Right: true), "Retention", "Then"],
            sets.Select(s => (string?[])
            [
                s.Table.ToString(), s.Control, IntervalOf(s), s.Interval is null ? "" : s.TimeZone, s.Premake.ToString(CultureInfo.InvariantCulture), RetentionOf(s),
                RetentionOf(s) is null ? "" : s.WhenExpired.ToString().ToLowerInvariant(),
            ]));
        return ExitCodes.Done;
    }

    private static async Task<int> LocateAsync(CliSession session, CancellationToken cancellationToken)
    {
        var place = await PartmanCommands.Open(session).LocateAsync(PartmanCommands.NameOf(session.NotEmpty(Table)), Bound(session.NotEmpty(Value)), cancellationToken);
        session.WriteResult($"{place.Partition}\t{place.Lower}\t{place.Upper}\t{(place.Exists ? "exists" : "missing")}", json =>
        {
            json.WriteString("partition", place.Partition.ToString());
            json.WriteString("lower", place.Lower.ToString());
            json.WriteString("upper", place.Upper.ToString());
            json.WriteBoolean("exists", place.Exists);
        });
        return ExitCodes.Done;
    }

    private static async Task<int> FillGapsAsync(CliSession session, CancellationToken cancellationToken)
    {
        var created = await PartmanCommands.Open(session).FillGapsAsync(PartmanCommands.NameOf(session.NotEmpty(Table)), cancellationToken);
        session.WriteResult($"Created {JobText.Counted(created.Count, "partition")}", json => json.WriteNumber("created", created.Count));
        return ExitCodes.Done;
    }

    private static async Task<int> DrainAsync(CliSession session, CancellationToken cancellationToken)
    {
        var created = await PartmanCommands.Open(session).DrainDefaultAsync(PartmanCommands.NameOf(session.NotEmpty(Table)), cancellationToken: cancellationToken);
        session.WriteResult($"Moved rows into {JobText.Counted(created.Count, "partition")}", json => json.WriteNumber("created", created.Count));
        return ExitCodes.Done;
    }

    private static async Task<int> ForgetAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var found = await PartmanCommands.Open(session).ForgetAsync(table, cancellationToken);
        session.WriteResult(found ? $"'{table}' is no set any more; its tables stay" : $"'{table}' was no set", json => json.WriteBoolean("found", found));
        return ExitCodes.Done;
    }

    /// <summary>A value of a set as it is written on the command line.</summary>
    public static PartitionBound Bound(string text) => Guid.TryParse(text, out var uuid) ? PartitionBound.Of(uuid)
        : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var id) ? PartitionBound.Of(id)
        : PartitionBound.Of(CreateSetCommand.Moment(text));

    /// <summary>Partitions as <c>partman list --json</c> shows them.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<Partition> partitions)
    {
        json.WriteStartArray();
        foreach (var partition in partitions)
        {
            json.WriteStartObject();
            json.WriteString("schema", partition.Name.Schema!.Value.Value);
            json.WriteString("name", partition.Name.Name.Value);
            json.WriteString("lower", partition.IsDefault ? null : partition.Lower.ToString());
            json.WriteString("upper", partition.IsDefault ? null : partition.Upper.ToString());
            json.WriteBoolean("isDefault", partition.IsDefault);
            json.WriteNumber("rows", partition.EstimatedRows);
            json.WriteNumber("bytes", partition.TotalBytes);
            json.WriteString("fate", Name(partition.Fate));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static string Name(PartitionFate fate) => fate.ToString().ToLowerInvariant();

    private static string? IntervalOf(PartitionSet set) => set.Interval?.ToString() ?? set.IdInterval?.ToString(CultureInfo.InvariantCulture);

    private static string? RetentionOf(PartitionSet set)
    {
        string?[] limits =
        [
            set.Retention?.ToString() ?? set.IdRetention?.ToString(CultureInfo.InvariantCulture),
            set.RetentionCount is { } count ? string.Create(CultureInfo.InvariantCulture, $"{count} partitions") : null, set.RetentionBytes is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes") : null,
        ];
        return limits.OfType<string>().ToList() is { Count: > 0 } some ? string.Join(", ", some) : null;
    }
}
