// Pasted alone this is a program; in this project another file holds the entry point.
#pragma warning disable CS7022
#region wal-first
using OmniPg.Wal;

internal static class WalFirstMinute
{
    private const string Archive = "/mnt/backup/archive";      // a directory that exists, best below a mount point

    // archive_command = '/opt/first-minute/first-minute %p'; started without an argument it tells what the archive is good for.
    public static async Task<int> Main(string[] args)
    {
        try
        {
            return args is [var segment] ? await ArchiveAsync(segment) : await TellAsync();
        }
        catch (Exception refused)                              // a crash would end with 134, and on that PostgreSQL's archiver gives up
        {
            Console.Error.WriteLine(refused.Message);          // goes to the server's log; the server keeps the segment and asks again
            return 1;
        }
    }

    private static async Task<int> ArchiveAsync(string segment)
    {
        var options = new WalArchiveOptions { Destinations = { new() { Directory = Archive, Codec = "zstd", Level = 3 } } };
        await using var archiver = new WalArchiver(options);   // the data directory is the current one: PostgreSQL starts commands there
        await archiver.ArchiveAsync(segment);                  // returns when a verified copy is there that survives a power cut
        return 0;
    }

    private static async Task<int> TellAsync()
    {
        await using var store = new DirectoryWalStore(Archive);
        var repository = new WalRepository(store);
        var found = await repository.VerifyAsync();            // every file, every record's CRC, and whether a segment is missing
        var window = await repository.GetRecoveryWindowAsync();
        Console.WriteLine($"{found.Files} files, {found.Records} records checked; {found.Problems.Length} invalid, {found.Gaps.Length} gaps");
        Console.WriteLine($"a base backup can be brought to any moment from {window.Earliest:u} to {window.LatestCommit:u} on timeline {window.Timeline}");
        return found.IsGood ? 0 : 1;
    }
}
#endregion
