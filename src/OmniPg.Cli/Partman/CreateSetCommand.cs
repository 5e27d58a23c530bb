using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class CreateSetCommand
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<string> Control = new("--control") { Description = "The column that the table is partitioned by", HelpName = "COL", Required = true };

    private static readonly Option<string> Interval = new("--interval") { Description = "Length of a partition: an interval, or a number of ids", HelpName = "I", Required = true };

    private static readonly Option<string?> Type = new("--type") { Description = "How the table is partitioned. Default: as the interval says", HelpName = "range|list" };

    private static readonly Option<int> Premake = new("--premake") { Description = "Partitions kept ready ahead. Default 4", HelpName = "N", DefaultValueFactory = _ => 4 };

    private static readonly Option<string?> Start = new("--start") { Description = "Where the first partition begins: a moment, or an id", HelpName = "V" };

    private static readonly Option<string?> Epoch = new("--epoch") { Description = "The column counts these since 1970", HelpName = "seconds|milliseconds|microseconds|nanoseconds" };

    private static readonly Option<bool> Uuid7 = new("--uuid7") { Description = "The column holds UUIDs of version 7" };

    private static readonly Option<string?> TimeZone = new("--time-zone") { Description = "Zone whose midnights are boundaries. Default UTC", HelpName = "TZ" };

    private static readonly Option<bool> NoDefault = new("--no-default") { Description = "Make no default partition: rows that no partition takes are refused" };

    private static readonly Option<string?> Template = new("--template") { Description = "Table that partitions take indexes and storage parameters from", HelpName = "T" };

    private static readonly Option<bool> NoTemplate = new("--no-template") { Description = "Take nothing from a template; the default" };

    private static readonly Option<string?> Retention = new("--retention") { Description = "Age, or distance from the newest id, at which partitions retire. Default never", HelpName = "I" };

    private static readonly Option<int?> RetentionCount = new("--retention-count") { Description = "Partitions up to the current one that stay; older ones retire. Default all", HelpName = "N" };

    private static readonly Option<string?> RetentionSize = new("--retention-size") { Description = "Size of all partitions together from which on the oldest retire, such as '200 GB'. Default none", HelpName = "SIZE" };

    private static readonly Option<string?> Hash = new("--hash") { Description = "Split each partition into N tables by the hash of a column", HelpName = "COL:N" };

    private static readonly Option<string?> WhenExpired = new("--when-expired") { Description = "What becomes of them then. Default detach", HelpName = "detach|drop|move:SCHEMA|archive:DIR|archive:s3://BUCKET/PREFIX" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "create", "Makes a set of an empty partitioned table, with its first partitions",
        "omnipg partman create app.events --control created_at --interval \"1 day\" --retention \"90 days\" --when-expired drop", RunAsync,
        [Table, .. SetOptions, PartmanCommands.Plan]);

    /// <summary>What describes a set.</summary>
    public static Option[] SetOptions => [Control, Interval, Type, Premake, Start, Epoch, Uuid7, TimeZone, NoDefault, Template, NoTemplate, Hash, Retention, RetentionCount, RetentionSize, WhenExpired];

    /// <summary>What describes how the partitions of a set are partitioned again.</summary>
    public static Option[] BranchOptions => [Control, Interval, Premake, Epoch, Uuid7, NoDefault, Retention, RetentionCount, RetentionSize, WhenExpired];

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (table, options) = (PartmanCommands.NameOf(session.NotEmpty(Table)), Options(session, out var archive));
        var partman = PartmanCommands.Open(session, archive);
        if (session.Get(PartmanCommands.Plan))
        {
            session.Out.Write((await partman.PlanCreateAsync(table, options, cancellationToken)).ToSqlScript());
            return ExitCodes.Done;
        }
        var result = await partman.CreateAsync(table, options, cancellationToken);
        foreach (var skip in result.Skipped)
            session.Error.WriteLine("note: " + skip.Text);
        session.WriteResult($"'{table}' is a set with {result.Partitions.Count} partitions", json =>
        {
            json.WriteString("table", table.ToString());
            json.WriteNumber("partitions", result.Partitions.Count);
        });
        return ExitCodes.Done;
    }

    public static PartitionSetOptions Options(CliSession session, out string? archive)
    {
        archive = null;
        if (session.Get(Template) is not null && session.Get(NoTemplate))
            throw new UsageException("--template and --no-template contradict each other.");
        if (session.Get(Uuid7) && session.Get(Epoch) is not null)
            throw new UsageException("--uuid7 and --epoch contradict each other.");
        if (session.Get(PartmanCommands.Plan) && session.Json)
            throw new UsageException("--plan prints SQL, so --json does not go with it.");
        var options = new PartitionSetOptions
        {
            Control = session.Get(Control)!,
            Premake = session.Get(Premake),
            TimeZone = CliSession.NotEmpty(session.Get(TimeZone), TimeZone.Name),
            DefaultPartition = !session.Get(NoDefault),
            RetentionCount = session.Get(RetentionCount),
            RetentionBytes = session.Get(RetentionSize) is { } size ? Bytes(size) : null,
            Template = session.Get(Template) is { } template ? PartmanCommands.NameOf(template) : null,
            Kind = session.Get(Uuid7) ? PartitionKeyKind.UuidV7 : session.Get(Epoch) switch
            {
                null => null,
                "seconds" => PartitionKeyKind.EpochSeconds,
                "milliseconds" => PartitionKeyKind.EpochMilliseconds,
                "microseconds" => PartitionKeyKind.EpochMicroseconds,
                "nanoseconds" => PartitionKeyKind.EpochNanoseconds,
                var other => throw new UsageException($"--epoch '{other}' is none of seconds, milliseconds, microseconds, nanoseconds."),
            },
        };
        if (session.Get(Hash) is { } hash)
        {
            var at = hash.LastIndexOf(':');
            if (at < 1 || !int.TryParse(hash[(at + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var tables))
                throw new UsageException($"{Hash.Name} '{hash}' is not COL:N, such as 'tenant:8'.");
            (options.HashColumn, options.HashPartitions) = (hash[..at], tables);
        }
        var (interval, start, retention) = (session.Get(Interval)!, session.Get(Start), session.Get(Retention));
        if (long.TryParse(interval, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var ids))
            (options.IdInterval, options.IdStart, options.IdRetention) = (ids, Id(start, Start.Name), Id(retention, Retention.Name));
        else
        {
            (options.Interval, options.Retention) = (CliSession.Interval(interval, Interval.Name), CliSession.Interval(retention, Retention.Name));
            options.Start = start is null ? null : Moment(start);
        }
        var byList = options.IdInterval == 1;
        if (session.Get(Type) is { } type && type != (byList ? "list" : "range"))
            throw new UsageException($"--type '{type}' does not go with --interval '{interval}': a list has one id in each partition, and everything else is a range.");
        if (session.Get(WhenExpired) is { } expired)
            (options.WhenExpired, options.RetentionSchema, archive) = Expired(expired);
        return options;
    }

    /// <summary>What becomes of expired partitions, with its schema or place.</summary>
    public static (ExpiredAction Action, string? Schema, string? Archive) Expired(string text) => text switch
    {
        "detach" => (ExpiredAction.Detach, null, null),
        "drop" => (ExpiredAction.Drop, null, null),
        ['m', 'o', 'v', 'e', ':', .. { Length: > 0 } schema] => (ExpiredAction.Move, schema, null),
        ['a', 'r', 'c', 'h', 'i', 'v', 'e', ':', .. { Length: > 0 } place] => (ExpiredAction.Archive, null, place),
        _ => throw new UsageException($"--when-expired '{text}' is none of detach, drop, move:SCHEMA, archive:DIR, archive:s3://BUCKET/PREFIX."),
    };

    // As the server's settings are written: 1 GB is 1024 MB.
    private static long Bytes(string text)
    {
        string[] units = ["B", "KB", "MB", "GB", "TB"];
        var digits = text.TrimStart().TakeWhile(char.IsAsciiDigit).Count();
        var (number, unit) = (text.TrimStart()[..digits], text.TrimStart()[digits..].Trim());
        var power = unit.Length == 0 ? 0 : Array.FindIndex(units, u => u.Equals(unit, StringComparison.OrdinalIgnoreCase));
        return power >= 0 && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count <= long.MaxValue >> (10 * power)
            ? count << (10 * power) : throw new UsageException($"{RetentionSize.Name} '{text}' is no size, such as '200 GB'.");
    }

    private static long? Id(string? text, string name) => text is null ? null
        : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var id) ? id : throw new UsageException($"{name} '{text}' is no number, and the interval counts ids.");

    /// <summary>A moment, in UTC unless it says otherwise.</summary>
    public static DateTimeOffset Moment(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment) ? moment : throw new UsageException($"'{text}' is no moment, such as '2026-01-31 12:00'.");
}
