using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>The program on a bucket: archived, looked at, and recovered from by a real server.</summary>
[Collection(nameof(RecoveryCollection))]
public sealed class BucketTests(RecoveryScene scene) : IAsyncLifetime
{
    private S3Endpoint _bucket = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string[] Way => ["--s3-endpoint", _bucket.Url.AbsoluteUri];

    public async ValueTask InitializeAsync() => _bucket = await S3Endpoint.StartAsync();

    public ValueTask DisposeAsync() => _bucket.DisposeAsync();

    [Fact]
    public async Task A_server_recovers_from_segments_that_were_archived_into_a_bucket()
    {
        await ArchiveAsync(Segments());
        var source = Words("restore", "--timeout", "1", "--source", "s3://omnipg/prod", "%f", "%p");

        await using var recovered = await scene.RecoverAsync(Environment(scene.Program.Line(source)), ("recovery_target_name", RecoveryScene.PointName));

        (await recovered.ScalarAsync<long>("SELECT count(*) FROM kept", Token)).Should().Be(100);
        var verified = await WalProgram.RunAsync(Words("verify", "--archive", "s3://omnipg/prod"));
        verified.ExitCode.Should().Be(0, verified.Output + verified.Error);
        var shown = await WalProgram.RunAsync(Words("show", "--archive", "s3://omnipg/prod"));
        shown.Output.Should().Contain($"timeline 1: {Path.GetFileName(Segments().First())} to ").And.Contain("restore point 'before the \"accident\" %f $(x)'");
    }

    [Theory]
    [InlineData("s3://omnipg/elsewhere", "There is no archive at")]
    [InlineData("s3://another/prod", "the bucket does not exist")]
    public async Task A_wrong_prefix_or_bucket_never_means_that_a_segment_is_not_there(string place, string message)
    {
        await ArchiveAsync(Segments().Take(1));

        var restored = await WalProgram.RunAsync(Words("restore", "--data-dir", scene.Primary.DataDirectory, "--timeout", "0", "--source", place, "000000010000000000000001", Path.Combine(scene.Root, "never")));

        restored.ExitCode.Should().Be(255, "a recovery stops and loses nothing");
        restored.Error.Should().Contain(message).And.NotContain(S3Endpoint.SecretKey);
    }

    [Fact]
    public async Task A_segment_whose_bucket_is_away_is_not_archived_and_is_archived_later()
    {
        _bucket.Fault = _ => new S3Fault { Status = 503, Error = "SlowDown" };
        string[] call = Words("archive", "--data-dir", scene.Primary.DataDirectory, "--dst-s3", "zstd=s3://omnipg/prod", "--begin", Segments().First());

        var refused = await WalProgram.RunAsync(call);

        refused.ExitCode.Should().Be(10, refused.Error);
        refused.Error.Should().Contain("the server cannot answer now");
        _bucket.Fault = _ => null;
        (await WalProgram.RunAsync(call)).ExitCode.Should().Be(0);
        _bucket.Keys.Should().Contain($"prod/{Path.GetFileName(Segments().First())}.zst");
    }

    private async Task ArchiveAsync(IEnumerable<string> segments)
    {
        foreach (var segment in segments)
        {
            var archived = await WalProgram.RunAsync(Words("archive", "--data-dir", scene.Primary.DataDirectory, "--dst-s3", "zstd=s3://omnipg/prod", "--begin", segment));
            archived.ExitCode.Should().Be(0, archived.Error);
        }
    }

    private IEnumerable<string> Segments() => Directory.GetFiles(scene.PlainCopies, "0*").Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal);

    private string[] Words(params string[] words) => [words[0], .. Way, .. words[1..]];

    private static string Environment(string line) => $"AWS_ACCESS_KEY_ID={S3Endpoint.AccessKey} AWS_SECRET_ACCESS_KEY='{S3Endpoint.SecretKey}' {line}";
}
