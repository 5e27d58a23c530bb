using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class TierCommand
{
    private const string Example = "90 days: tablespace=cold compression=lz4";

    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<string[]> Policy = new("--policy")
    {
        Description = $"What partitions of an age are kept like, such as '{Example}': an interval or a number of ids, then any of tablespace=T, access-method=M, compression=pglz|lz4, brin=a,b. Several times for several ages",
        HelpName = "AGE: WHAT",
        Required = true,
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<bool> KeepTables = new("--keep-tables") { Description = "Keep partitions that were rewritten as tables. Default: drop them" };

    private static readonly Option<int> BatchSize = new("--batch-size") { Description = "Rows in a transaction of the copy. Default 10000", HelpName = "N", DefaultValueFactory = _ => 10_000 };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "tier", "Keeps partitions that get no new rows as policies say by their age, beside readers and writers: elsewhere, or packed otherwise", $"omnipg partman tier app.events --policy \"{Example}\"", RunAsync,
        Table, Policy, KeepTables, BatchSize, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var options = new TierOptions { Policies = [.. session.Get(Policy)!.Select(Parse)], KeepTables = session.Get(KeepTables), BatchSize = session.Get(BatchSize) };
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
            return PartmanCommands.Show(session, await partman.PlanTiersAsync(table, options, cancellationToken));
        var done = await partman.ApplyTiersAsync(table, options, cancellationToken: cancellationToken);
        session.WriteList(["Partition", "Changed", new CliColumn("Rows copied", Right: true)], done, d => [d.Partition.ToString(), string.Join(", ", d.Changes.Select(Name)), d.Rows.ToString(CultureInfo.InvariantCulture)], (json, d) =>
        {
            json.WriteString("partition", d.Partition.ToString());
            json.WriteStartArray("changes");
            foreach (var change in d.Changes)
                json.WriteStringValue(Name(change));
            json.WriteEndArray();
            json.WriteNumber("rows", d.Rows);
        });
        return ExitCodes.Done;
    }

    private static TierPolicy Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        // The time of day in an interval has colons as well.
        while (colon >= 0 && colon + 1 < text.Length && char.IsAsciiDigit(text[colon + 1]))
            colon = text.IndexOf(':', colon + 1);
        if (colon < 1)
            throw new UsageException($"--policy '{text}' is not 'AGE: WHAT', such as '{Example}'.");
        var (age, policy) = (text[..colon].Trim(), new TierPolicy());
        if (long.TryParse(age, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var ids))
            policy.IdsBehind = ids;
        else
            policy.OlderThan = CliSession.Interval(age, Policy.Name);
        foreach (var item in text[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = item.Split('=', 2) is [var n, { Length: > 0 } v] ? (n, v) : (item, "");
            _ = (name, value) switch
            {
                ("tablespace", not "") => policy.Tablespace = value,
                ("access-method", not "") => policy.AccessMethod = value,
                ("compression", not "") => policy.Compression = value,
                ("brin", not "") => (object)(policy.BrinColumns = value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)),
                _ => throw new UsageException($"'{item}' of --policy '{text}' is none of tablespace=T, access-method=M, compression=pglz|lz4, brin=a,b."),
            };
        }
        return policy;
    }

    private static string Name(TierChange change) => change == TierChange.AccessMethod ? "access-method" : change.ToString().ToLowerInvariant();
}
