// Pasted alone this is a program; in this project another file holds the entry point.
#pragma warning disable CS7022
#region wal-first
using OmniPg;
using OmniPg.Wal;

internal static class WalFirstMinute
{
    private const string Archive = "/mnt/backup/archive";      // a directory that exists, best below a mount point

    // archive_command = '/opt/first-minute/first-minute %p'; "begin DATA-DIRECTORY" begins the archive; without an argument it tells what that is good for.
    public static async Task<int> Main(string[] args)
    {
        try
        {
            return args switch { ["begin", var data] => await BeginAsync(data), [var segment] => await ArchiveAsync(segment), _ => await TellAsync() };
        }
        catch (Exception refused)                              // a crash would end with 134, and on that PostgreSQL's archiver gives up
        {
            Console.Error.WriteLine(refused.Message);          // goes to the server's log; the server keeps the segment and asks again
            return 1;
        }
    }

    private static WalArchiver Archiver(string dataDirectory) => new(new WalArchiveOptions
    {
        DataDirectory = dataDirectory,
        Destinations = [new() { Directory = Archive, Codec = "zstd", Level = 3 }],
    });

    private static async Task<int> ArchiveAsync(string segment)
    {
        await using var archiver = Archiver(".");              // PostgreSQL starts commands in its data directory
        await archiver.ArchiveAsync(segment);                  // returns when a verified copy is there that survives a power cut
        return 0;
    }

    private static async Task<int> BeginAsync(string dataDirectory)
    {
        await using var archiver = Archiver(dataDirectory);
        await archiver.BeginAsync();                           // by hand, because an empty directory may be a mount point without its storage
        return 0;
    }

    private static async Task<int> TellAsync()
    {
        await using var store = new DirectoryObjectStore(Archive);
        var repository = new WalRepository(store);
        var found = await repository.VerifyAsync();            // every file, every record's CRC, and whether a segment is missing
        var window = await repository.GetRecoveryWindowAsync();
        Console.WriteLine($"{found.Files} files, {found.Records} records checked; {found.Problems.Count} invalid, {found.Gaps.Count} gaps");
        Console.WriteLine($"a base backup can be brought to any moment from {window.Earliest:u} to {window.LatestCommit:u} on timeline {window.Timeline}");
        return found.IsGood ? 0 : 1;
    }
}
#endregion
