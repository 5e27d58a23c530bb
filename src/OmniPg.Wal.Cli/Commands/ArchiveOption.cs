namespace OmniPg.Wal.Cli;

/// <summary>The archive that init, cleanup, verify and show work on.</summary>
internal static class ArchiveOption
{
    public static readonly Option One = Option.Value("--archive", "[CODEC=]PLACE", "the archive: a directory, s3://BUCKET/PREFIX or azure://CONTAINER/PREFIX", "-a");

    public static IReadOnlyList<Option> All { get; } = [One, .. StoreOptions.All];

    public static IObjectStore Open(Arguments arguments, ProgramContext context) => StoreOptions.Open(Location(arguments).Path, arguments, context.Logs);

    /// <summary>The same, to read only, whatever tool archived there.</summary>
    public static IObjectStore OpenToRead(Arguments arguments, ProgramContext context) => StoreOptions.OpenToRead(Location(arguments).Path, arguments, context.Logs);

    public static WalLocation Location(Arguments arguments)
    {
        try
        {
            return WalLocation.Parse(arguments.Require(One));
        }
        catch (FormatException e)
        {
            throw new UsageException($"The option {One.Name} is wrong: {e.Message}");
        }
    }
}
