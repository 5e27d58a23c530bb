using System.Runtime.Versioning;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Encryption;

/// <summary>An encrypted archive through the program, with real segments.</summary>
public sealed class EncryptedArchiveTests(WalWorkloads workloads) : IAsyncLifetime
{
    private ArchiveScene _scene = null!;
    private string _archive = "";
    private string _key = "";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Target => Path.Combine(_scene.Root, "target");

    public async ValueTask InitializeAsync()
    {
        _scene = new ArchiveScene(await workloads.SmallSegmentsAsync());
        _archive = _scene.MakeDirectory("archive");
        _key = Path.Combine(_scene.Root, "wal.key");
        (await WalProgram.RunAsync("keygen", _key)).MustSucceed();
    }

    public ValueTask DisposeAsync()
    {
        _scene.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task What_was_archived_with_a_key_is_restored_verified_and_shown_with_it()
    {
        var first = _scene.Segments[1];
        foreach (var segment in _scene.Segments.Skip(1).Take(3))
            (await ArchiveAsync(_key, _scene.Add(segment))).MustSucceed();

        var restored = await RestoreAsync(["--key", _key], first.ToString());
        var verified = await WalProgram.RunAsync("verify", "--archive", _archive, "--key", _key);
        var shown = await WalProgram.RunAsync("show", "--archive", _archive, "--key", _key);
        var again = await ArchiveAsync(_key, _scene.Add(first));

        (restored.ExitCode, verified.ExitCode, shown.ExitCode, again.ExitCode).Should().Be((0, 0, 0, 0), "{0}{1}{2}{3}", restored.Error, verified.Error, shown.Error, again.Error);
        File.ReadAllBytes(Target).AsSpan().SequenceEqual(_scene.Original(first)).Should().BeTrue();
        Directory.GetFiles(_archive).Select(Path.GetFileName).Should().HaveCount(4).And.OnlyContain(static n => n == WalArchiveMarker.Key || n!.EndsWith(".zst.enc", StringComparison.Ordinal));
        verified.Output.Should().Contain("3 files").And.Contain("0 invalid, 0 gaps");
        shown.Output.Should().Contain(first.ToString());
        again.Error.Should().NotContain("conflict");
    }

    [Fact]
    public async Task Without_its_key_a_file_is_neither_missing_nor_corrupt()
    {
        (await ArchiveAsync(_key, _scene.Add())).MustSucceed();
        var other = Path.Combine(_scene.Root, "other.key");
        (await WalProgram.RunAsync("keygen", other)).MustSucceed();

        var without = await RestoreAsync([], _scene.Segment.ToString());
        var wrong = await RestoreAsync(["--key", other], _scene.Segment.ToString());
        var verified = await WalProgram.RunAsync("verify", "--archive", _archive);
        var absent = await RestoreAsync([], "0000000100000000000000FE");

        (without.ExitCode, wrong.ExitCode, verified.ExitCode, absent.ExitCode).Should().Be((255, 255, 24, 1), "{0}{1}{2}{3}", without.Error, wrong.Error, verified.Error, absent.Error);
        without.Error.Should().Contain("no key was given");
        wrong.Error.Should().Contain("which was not given");
        File.Exists(Target).Should().BeFalse();
    }

    [Fact]
    public async Task A_bucket_takes_checks_and_gives_back_encrypted_segments_and_without_the_key_they_are_not_missing()
    {
        await using var bucket = await S3Endpoint.StartAsync();
        string[] way = ["--s3-endpoint", bucket.Url.AbsoluteUri];
        string[] archive = ["archive", "--data-dir", _scene.DataDirectory, "--dst-s3", "zstd=s3://omnipg/prod", "--encrypt", _key, .. way, _scene.Add()];

        var archived = await WalProgram.RunAsync(archive);
        var again = await WalProgram.RunAsync(archive);
        string[] restore = ["restore", "--data-dir", _scene.DataDirectory, "--timeout", "0", "--source", "s3://omnipg/prod", .. way];
        var without = await WalProgram.RunAsync([.. restore, _scene.Segment.ToString(), Target]);
        var restored = await WalProgram.RunAsync([.. restore, "--key", _key, _scene.Segment.ToString(), Target]);

        (archived.ExitCode, again.ExitCode, without.ExitCode, restored.ExitCode).Should().Be((0, 0, 255, 0), "{0}{1}{2}{3}", archived.Error, again.Error, without.Error, restored.Error);
        without.Error.Should().Contain("no key was given");
        bucket.Keys.Should().BeEquivalentTo($"prod/{_scene.Segment}.zst.enc", $"prod/{WalArchiveMarker.Key}", "prod/.omnipg-create-once");
        File.ReadAllBytes(Target).AsSpan().SequenceEqual(_scene.Original(_scene.Segment)).Should().BeTrue();
    }

    [Fact]
    public async Task After_a_rotation_both_keys_are_needed_and_enough()
    {
        var (first, second) = (_scene.Segments[1], _scene.Segments[2]);
        (await ArchiveAsync(_key, _scene.Add(first))).MustSucceed();
        var next = Path.Combine(_scene.Root, "next.key");
        (await WalProgram.RunAsync("keygen", next)).MustSucceed();
        (await ArchiveAsync(next, _scene.Add(second))).MustSucceed();

        var verified = await WalProgram.RunAsync("verify", "--archive", _archive, "--key", next, "--key", _key);
        var again = await WalProgram.RunAsync(["archive", "--data-dir", _scene.DataDirectory, "--dst-local", $"zstd={_archive}", "--encrypt", next, "--key", _key, ArchiveScene.PathOf(first)]);
        var onlyNew = await WalProgram.RunAsync("verify", "--archive", _archive, "--key", next);

        (verified.ExitCode, again.ExitCode, onlyNew.ExitCode).Should().Be((0, 0, 24), "{0}{1}{2}", verified.Error, again.Error, onlyNew.Error);
    }

    [Fact]
    public async Task A_damaged_copy_and_one_under_anothers_name_are_corrupt()
    {
        var (first, second) = (_scene.Segments[1], _scene.Segments[2]);
        foreach (var segment in (WalFileName[])[first, second])
            (await ArchiveAsync(_key, _scene.Add(segment))).MustSucceed();
        var (one, two) = (Path.Combine(_archive, first + ".zst.enc"), Path.Combine(_archive, second + ".zst.enc"));
        File.Copy(one, two, overwrite: true);
        var bytes = await File.ReadAllBytesAsync(one, Token);
        await File.WriteAllBytesAsync(one, bytes[..^20], Token);

        var damaged = await RestoreAsync(["--key", _key], first.ToString());
        var swapped = await RestoreAsync(["--key", _key], second.ToString());
        var verified = await WalProgram.RunAsync("verify", "--archive", _archive, "--key", _key);

        (damaged.ExitCode, swapped.ExitCode, verified.ExitCode).Should().Be((255, 255, 23), "{0}{1}{2}", damaged.Error, swapped.Error, verified.Error);
        verified.Output.Should().Contain("2 invalid");
        File.Exists(Target).Should().BeFalse();
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public async Task A_key_file_is_made_once_for_its_owner_alone_and_used_only_so()
    {
        var twice = await WalProgram.RunAsync("keygen", _key);
        var mode = File.GetUnixFileMode(_key);
        var secret = (await File.ReadAllTextAsync(_key, Token)).Trim();
        File.SetUnixFileMode(_key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var open = await ArchiveAsync(_key, _scene.Add());
        File.SetUnixFileMode(_key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(_key, secret[..60], Token);
        var cut = await ArchiveAsync(_key, _scene.Add());
        var missing = await ArchiveAsync(_key + "-missing", _scene.Add());
        var mixed = await WalProgram.RunAsync("archive", "--data-dir", _scene.DataDirectory, "--dst-pipe", "cat", "--encrypt", _key, _scene.Add());

        mode.Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        secret.Should().HaveLength(64).And.MatchRegex("^[0-9a-f]+$");
        (twice.ExitCode, open.ExitCode, cut.ExitCode, missing.ExitCode, mixed.ExitCode).Should().Be((10, 24, 24, 24, 20), "{0}{1}{2}{3}{4}", twice.Error, open.Error, cut.Error, missing.Error, mixed.Error);
        (twice.Error + open.Error + cut.Error + missing.Error).Should().NotContain(secret[..16]);
        Directory.GetFiles(_archive).Should().BeEmpty();
    }

    private Task<ProgramResult> ArchiveAsync(string key, string path) =>
        WalProgram.RunAsync("archive", "--data-dir", _scene.DataDirectory, "--dst-local", $"zstd={_archive}", "--encrypt", key, path);

    private Task<ProgramResult> RestoreAsync(string[] words, string name) =>
        WalProgram.RunAsync(["restore", "--data-dir", _scene.DataDirectory, "--timeout", "0", .. words, "--source", _archive, name, Target]);
}
