using OmniPg.Shared;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;
using OmniPg.Wal.Tests.Resident;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>
/// The program as the server's account beside folders that are absent, somebody else's, empty, read-only, full or of another version. State and spool only
/// save work, so they decide nothing; the marker of an archive decides, so an unreadable one stops.
/// </summary>
[Collection(nameof(ProgramCollection))]
public sealed class FolderFaultTests(RecoveryScene scene) : IAsyncDisposable
{
    private readonly TemporaryDirectory _root = new(forServer: true);
    private readonly List<FileStream> _held = [];
    private TmpfsMount? _disk;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // A prefetch process has its lock and its files in the spool until it has been asked nothing for ten seconds, or is told to end.
    public async ValueTask DisposeAsync()
    {
        foreach (var spool in (string?[])[_root.Combine("spool"), _disk?.Path])
        {
            var held = spool is null ? null : Path.Combine(spool, "get", ".lock");
            if (File.Exists(held) && FileLock.IsHeld(held) && FileLock.ReadProcess(held) is { } holder)
                ServerAccount.Signal(holder, 15);
        }

        await Eventually.TrueAsync(TryRemove, "nobody uses the folders any more", TimeSpan.FromSeconds(60), CancellationToken.None);
    }

    [Theory]
    [InlineData("empty", false)]
    [InlineData("root's own", true)]
    [InlineData("root's, readable", true)]
    [InlineData("read-only", true)]
    [InlineData("full", true)]
    [InlineData("of another cluster", false)]
    [InlineData("of another version", true)]
    [InlineData("directories under the names", true)]
    [InlineData("locked", true)]
    public async Task A_state_folder_decides_nothing(string kind, bool warns)
    {
        var (archive, state) = (Make("archive"), Folder("state", kind, FillState));
        await RunAsync("init", "--data-dir", Data, "--archive", archive);

        var archived = await RunAsync("archive", "--data-dir", Data, "--state-dir", state, "--dst-local", archive, Segment);

        archived.ExitCode.Should().Be(0, archived.Error);
        Stored(archive).Should().Equal(await File.ReadAllBytesAsync(Segment, Token));
        archived.Error.Contains("warning: ", StringComparison.Ordinal).Should().Be(warns, archived.Error);
        if (kind is "empty" or "of another cluster" or "of another version" or "directories under the names")
            File.Exists(Path.Combine(state, $"{PgControlFile.Read(Data).SystemIdentifier}.archived")).Should().BeTrue("that the cluster has archived is worth more than what only saves work");
    }

    [Theory]
    [InlineData("absent")]
    [InlineData("a file")]
    public async Task A_state_folder_that_is_none_is_wrong_use(string kind)
    {
        var (archive, state) = (Make("archive"), Folder("state", kind));
        await RunAsync("init", "--data-dir", Data, "--archive", archive);

        var refused = await RunAsync("archive", "--data-dir", Data, "--state-dir", state, "--dst-local", archive, Segment);

        refused.ExitCode.Should().Be(20, refused.Error);
        refused.Error.Should().Contain($"'{state}'");
        Directory.GetFiles(archive).Select(Path.GetFileName).Should().Equal(WalArchiveMarker.Key);
    }

    [Fact]
    public async Task A_state_folder_that_cannot_be_looked_at_proves_no_new_cluster()
    {
        var (archive, state) = (Make("archive"), Folder("state", "root's own"));

        var refused = await RunAsync("archive", "--data-dir", Data, "--state-dir", state, "--dst-local", archive, Segment);

        refused.ExitCode.Should().Be(10, refused.Error);
        Directory.EnumerateFileSystemEntries(archive).Should().BeEmpty();
    }

    [Theory]
    [InlineData("", 21)]
    [InlineData("{", 21)]
    [InlineData("""{"format":2,"systemIdentifier":"1","pgVersion":15,"walSegmentSize":1048576,"layout":"flat"}""", 21)]
    [InlineData("root's own", 10)]
    [InlineData("a directory", 10)]
    public async Task A_marker_that_cannot_be_read_stops_the_archiver_and_ends_no_recovery(string marker, int expected)
    {
        var archive = Make("archive");
        var path = Path.Combine(archive, WalArchiveMarker.Key);
        if (marker == "a directory")
            Directory.CreateDirectory(path);
        else
            await File.WriteAllTextAsync(path, marker, Token);
        if (marker == "root's own")
            Deny(path);

        var archived = await RunAsync("archive", "--data-dir", Data, "--begin", "--dst-local", archive, Segment);
        CopyControlFile();
        var restored = await RestoreAsync("0000000100000000000000FE", "--timeout", "0", "--source", archive);
        File.Delete(_root.Combine("data", PgControlFile.RelativePath));
        var restoredByAnybody = await RestoreAsync("0000000100000000000000FE", "--timeout", "0", "--source", archive);
        var verified = await RunAsync("verify", "--archive", archive);

        archived.ExitCode.Should().Be(expected, archived.Error);
        restored.ExitCode.Should().Be(255, restored.Error);
        restoredByAnybody.ExitCode.Should().Be(255, restoredByAnybody.Error);
        (verified.ExitCode, verified.Output).Should().Be((expected, ""), verified.Error);
        Directory.GetFiles(archive, "0*").Should().BeEmpty();
        (archived.Error + restored.Error).Should().Contain(WalArchiveMarker.Key).And.NotContain("Unhandled");
    }

    [Fact]
    public async Task An_archive_of_another_account_is_10_and_is_not_claimed()
    {
        var archive = Folder("archive", "root's, readable");

        var archived = await RunAsync("archive", "--data-dir", Data, "--begin", "--dst-local", archive, Segment);

        archived.ExitCode.Should().Be(10, archived.Error);
        Directory.EnumerateFileSystemEntries(archive).Should().BeEmpty();
    }

    [Theory]
    [InlineData("lost+found")]
    [InlineData("backups/monday/pg_wal")]
    public async Task A_folder_below_an_archive_that_is_somebody_elses_is_not_looked_into(string closed)
    {
        var archive = Make("archive");
        var folder = Directory.CreateDirectory(Path.Combine(archive, closed)).FullName;
        File.WriteAllText(Path.Combine(Path.GetDirectoryName(folder)!, "theirs"), "");
        if (Path.GetDirectoryName(folder) == archive)
            File.Delete(Path.Combine(archive, "theirs"));
        ServerAccount.Own(archive);
        Deny(folder);

        var archived = await RunAsync("archive", "--data-dir", Data, "--begin", "--dst-local", archive, Segment);
        var restored = await RestoreAsync("0000000100000000000000FE", "--timeout", "0", "--source", archive);
        File.Delete(Path.Combine(archive, WalArchiveMarker.Key));
        var restoredWithoutMarker = await RestoreAsync("0000000100000000000000FE", "--timeout", "0", "--source", archive);
        var verified = await RunAsync("verify", "--archive", archive);
        var shown = await RunAsync("show", "--archive", archive);
        var cleaned = await RunAsync("cleanup", "--archive", archive, "0000000100000000000000FE");

        (archived.ExitCode, restored.ExitCode, restoredWithoutMarker.ExitCode, verified.ExitCode, shown.ExitCode, cleaned.ExitCode)
            .Should().Be((0, 1, 1, 0, 0, 0), archived.Error + restored.Error + verified.Error + shown.Error + cleaned.Error);
        Directory.GetFiles(archive).Should().BeEmpty("the segment lay before the limit");
    }

    [Theory]
    [InlineData("absent", false)]
    [InlineData("empty", false)]
    [InlineData("a file", true)]
    [InlineData("root's own", true)]
    [InlineData("root's, readable", true)]
    [InlineData("read-only", true)]
    [InlineData("full", true)]
    [InlineData("of another version", false)]
    [InlineData("directories under the names", true)]
    public async Task A_spool_costs_a_recovery_one_warning_at_most(string kind, bool warns)
    {
        var spool = Folder("spool", kind, FillSpool);
        string[] words = ["--timeout", "0", "--spool", spool, "--process-max", "2", "--source", scene.Archive];

        CopyControlFile();
        var served = await RestoreAsync(Path.GetFileName(Segment), words);
        var history = await RestoreAsync("00000009.history", words);
        var trouble = await RestoreAsync(Path.GetFileName(Segment), [.. words[..^1], _root.Combine("gone")]);

        (served.ExitCode, history.ExitCode, trouble.ExitCode).Should().Be((0, 1, 255), served.Error + history.Error + trouble.Error);
        (await File.ReadAllBytesAsync(_root.Combine("data", "target"), Token)).Should().Equal(await File.ReadAllBytesAsync(Segment, Token));
        served.Error.Split('\n').Count(l => l.Contains("warning: ", StringComparison.Ordinal)).Should().Be(warns ? 1 : 0, served.Error);
    }

    [Theory]
    [InlineData("full")]
    [InlineData("of another version")]
    [InlineData("root's, readable")]
    [InlineData("read-only")]
    [InlineData("a file")]
    public async Task A_resident_process_whose_spool_fails_archives_or_says_so(string kind)
    {
        var (archive, spool, socket) = (Make("archive"), Folder("spool", kind, FillPushSpool), _root.Combine("r.sock"));
        await RunAsync("init", "--data-dir", Data, "--archive", archive);
        string[] common = ["--data-dir", Data, "--dst-local", archive, "--socket", socket];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);

        var resident = scene.Program.RunAsync(["resident", .. common, "--spool", spool], cancellationToken: stop.Token);
        await Eventually.TrueAsync(() => RunningResident.Listens(socket) || resident.IsCompleted, "the resident process listens or has ended", cancellationToken: Token);
        var asked = await RunAsync(["archive", .. common, "pg_wal/" + Path.GetFileName(Segment)]);
        if (resident.IsCompleted)
            (await resident).ExitCode.Should().BeOneOf(10, 20);
        await stop.CancelAsync();

        asked.ExitCode.Should().Be(0, asked.Error);
        Stored(archive).Should().Equal(await File.ReadAllBytesAsync(Segment, Token));
        await resident.Invoking(r => r).Should().NotThrowAsync<InvalidOperationException>();
    }

    private string Data => scene.Primary.DataDirectory;

    private string Segment => Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).First();

    private byte[] Stored(string archive) => File.ReadAllBytes(Path.Combine(archive, Path.GetFileName(Segment)));

    private bool TryRemove()
    {
        try
        {
            _held.ForEach(file => file.Dispose());
            _disk?.Dispose();
            _root.Dispose();
            return true;
        }
        catch (Exception busy) when (busy is InvalidOperationException or IOException)
        {
            return false;
        }
    }

    private string Make(string name)
    {
        var path = Directory.CreateDirectory(_root.Combine(name)).FullName;
        ServerAccount.Own(path);
        return path;
    }

    /// <summary>A folder with a fault; <paramref name="fill"/> puts in what its user keeps there.</summary>
    private string Folder(string name, string kind, Action<string, string>? fill = null)
    {
        if (kind == "absent")
            return _root.Combine(name);
        if (kind == "a file")
        {
            File.WriteAllText(_root.Combine(name), "");
            return _root.Combine(name);
        }

        if (kind is "read-only" or "full")
        {
            _disk = TmpfsMount.TryCreate(64 << 10);
            Assert.SkipWhen(_disk is null, "This process may not mount a file system.");
            if (kind == "full")
                Exhaust(Path.Combine(_disk.Path, "ballast"));
            else
                _disk.Remount(readOnly: true);
            return _disk.Path;
        }

        var path = Make(name);
        if (kind.StartsWith("root's", StringComparison.Ordinal))
            Deny(path, readable: kind != "root's own");
        else
            fill?.Invoke(path, kind);
        return path;
    }

    private void FillState(string path, string kind)
    {
        var name = Path.GetFileName(Segment) + ".state";
        switch (kind)
        {
            case "of another cluster":
                File.WriteAllText(Path.Combine(path, "4711.archived"), "");
                File.WriteAllText(Path.Combine(path, name), """{"sha256":"00","size":1,"done":{}}""");
                break;
            case "of another version":
                File.WriteAllText(Path.Combine(path, "last-segment.chain"), "OPC2 and more");
                File.WriteAllText(Path.Combine(path, name), "version 2");
                break;
            case "directories under the names":
                Directory.CreateDirectory(Path.Combine(path, "last-segment.chain"));
                Directory.CreateDirectory(Path.Combine(path, name));
                break;
        }

        ServerAccount.Own(path);
        // By somebody who does not let go of them, such as a program that saves files.
        if (kind == "locked")
            _held.AddRange(((string[])["last-segment.chain", name]).Select(n => new FileStream(Path.Combine(path, n), FileMode.Create, FileAccess.ReadWrite, FileShare.None)));
    }

    private void FillSpool(string path, string kind)
    {
        if (kind == "of another version")
        {
            Directory.CreateDirectory(Path.Combine(path, "get", "binding-of-version-2"));
            File.WriteAllText(Path.Combine(path, "get", Path.GetFileName(Segment)), "not what it should be");
        }
        else if (kind == "directories under the names")
        {
            Directory.CreateDirectory(Path.Combine(path, "get", ".lock"));
        }

        ServerAccount.Own(path);
    }

    private void FillPushSpool(string path, string kind)
    {
        Directory.CreateDirectory(Path.Combine(path, "push"));
        File.WriteAllText(Path.Combine(path, "push", Path.GetFileName(Segment) + ".ok"), "version 2");
        ServerAccount.Own(path);
    }

    // For an account that is not root: what it may not write, and, unless readable, not even look into.
    private static void Deny(string path, bool readable = false)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || ServerAccount.Name is null, "Needs root, beside an account that is not.");
#pragma warning disable CA1416 // Skipped on Windows.
        File.SetUnixFileMode(path, readable ? (UnixFileMode)0b111_101_101 : (UnixFileMode)0b111_000_000);
#pragma warning restore CA1416
        using var owner = System.Diagnostics.Process.Start("chown", ["root:root", path]);
        owner.WaitForExit();
        owner.ExitCode.Should().Be(0);
    }

    private static void Exhaust(string path)
    {
        using var ballast = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var write = () =>
        {
            while (true)
                ballast.Write(new byte[1024]);
        };
        write.Should().Throw<IOException>();
    }

    private Task<ProgramResult> RestoreAsync(string file, params string[] words)
    {
        File.WriteAllText(Path.Combine(Make("data"), "PG_VERSION"), "15\n");
        return RunAsync(["restore", "--data-dir", _root.Combine("data"), .. words, file, "target"]);
    }

    private void CopyControlFile()
    {
        var copy = Path.Combine(Make("data"), PgControlFile.RelativePath);
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        File.Copy(Path.Combine(Data, PgControlFile.RelativePath), copy);
    }

    private Task<ProgramResult> RunAsync(params string[] words) => ServerProgram.RunAsync("/bin/sh", ["-c", scene.Program.Line(words)], _root.Path, Token);
}
