namespace OmniPg.Wal.Cli;

/// <summary>The archive that init, cleanup, verify and show work on.</summary>
internal static class ArchiveOption
{
    public static readonly Option One = Option.Value("--archive", "[CODEC=]DIR", "the archive", "-a");

    public static IObjectStore Open(Arguments arguments) => new DirectoryObjectStore(Location(arguments).Path);

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
