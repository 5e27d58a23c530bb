using System.CommandLine;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary>Options of every command that may run pg_dump.</summary>
internal static class ExtractorSettings
{
    private static readonly Option<string?> Bin = new("--pg-bin") { Description = "Directory of pg_dump; else OMNIPG_PGBIN, PATH and the usual places", HelpName = "DIR" };
    private static readonly Option<double> LockTimeout = new("--lock-timeout")
    {
        Description = "Seconds to wait for a locked table", HelpName = "SEC", DefaultValueFactory = static _ => 30,
    };

    public static IReadOnlyList<Symbol> All { get; } = [Bin, LockTimeout];

    public static SchemaExtractor Extractor(CliSession session) => new(new ExtractorOptions
    {
        Tools = new PgToolOptions { BinDirectory = session.Get(Bin) ?? session.Host.Variable("OMNIPG_PGBIN") },
        LockTimeout = TimeSpan.FromSeconds(session.Get(LockTimeout)),
    });

    /// <summary>Takes kinds away by their names.</summary>
    public static ObjectKinds Without(ObjectKinds kinds, IEnumerable<string>? names)
    {
        foreach (var name in names ?? [])
            kinds &= ~Kind(name);
        return kinds;
    }

    public static ObjectKinds Kind(string name) => Enum.TryParse<ObjectKinds>(name, ignoreCase: true, out var kind) ? kind
        : throw new UsageException($"'{name}' is no kind of objects; there are {string.Join(", ", Enum.GetNames<ObjectKinds>())}.");
}
