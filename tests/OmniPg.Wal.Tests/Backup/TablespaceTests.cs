namespace OmniPg.Wal.Tests.Backup;

/// <summary>Tablespaces that are no link to a folder elsewhere: in place, leading nowhere, or leading out.</summary>
[Collection(nameof(BackupCollection))]
public sealed class TablespaceTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_tablespace_in_place_is_part_of_the_data_directory_and_comes_back_with_its_rows()
    {
        Assert.SkipWhen(scene.Server.MajorVersion < 15, "There are none before PostgreSQL 15.");
        var store = await scene.NewStoreAsync();
        await using (var session = await scene.Server.DataSource.OpenConnectionAsync(Token))
        {
            foreach (var sql in (string[])["SET allow_in_place_tablespaces = on", "CREATE TABLESPACE here LOCATION ''", "CREATE TABLE near TABLESPACE here AS SELECT generate_series(1, 100) i"])
            {
                await using var command = session.CreateCommand();
                command.CommandText = sql;
                await command.ExecuteNonQueryAsync(Token);
            }
        }

        var made = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.Server.ExecuteAsync("DROP TABLE near", Token);
        await scene.Server.ExecuteAsync("DROP TABLESPACE here", Token);
        var folder = scene.Fresh("restored");
        var options = scene.RestoreOptions();
        // Behind the end of the backup the tablespace is dropped.
        options.Target = RecoveryTarget.Immediate;
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        // Or the server panics where it is consistent (CheckTablespaceDirectory, xlogrecovery.c).
        await File.AppendAllTextAsync(Path.Combine(folder, "postgresql.conf"), "\nallow_in_place_tablespaces = on\n", Token);
        await using var server = await scene.StartAsync(folder);

        made.Tablespaces.Select(t => t.Location).Should().Equal(scene.Tablespace);
        (await server.ScalarAsync<long>("SELECT count(*) FROM near", Token)).Should().Be(100);
        (await server.ScalarAsync<long>("SELECT count(*) FROM far", Token)).Should().Be(1000);
    }

    [Fact]
    public void A_link_that_leads_nowhere_is_an_error_that_names_it_and_no_tablespace_without_rows()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a privilege there.");
        var data = scene.Fresh("data");
        Directory.CreateDirectory(Path.Combine(data, "pg_tblspc"));
        Directory.CreateSymbolicLink(Path.Combine(data, "pg_tblspc", "16500"), "/nowhere/at/all");

        var failure = FluentActions.Invoking(() => new ClusterFiles(data).Tablespaces()).Should().Throw<WalBackupException>().Which;

        failure.Code.Should().Be("wal.backup.tablespace");
        failure.Message.Should().Contain("'16500'").And.Contain("'/nowhere/at/all'");
    }

    [Theory]
    [InlineData("pg_tblspc/16500/../../../outside")]
    [InlineData("/outside")]
    [InlineData("base//outside")]
    public async Task A_member_that_leads_out_of_the_folder_is_refused_and_nothing_is_written_there(string path)
    {
        var folder = Directory.CreateDirectory(Path.Combine(scene.Fresh("hostile"), "data", "pg_tblspc", "16500")).Parent!.Parent!;
        var header = new TarHeader(path, TarKind.File, 0, UnixFileMode.UserRead, DateTimeOffset.UnixEpoch);

        await FluentActions.Awaiting(async () => await new TarExtractor(folder.FullName).WriteAsync(TarFormat.Write(header), Token)).Should().ThrowAsync<InvalidDataException>();

        Directory.GetFiles(folder.Parent!.FullName, "*", SearchOption.AllDirectories).Should().BeEmpty();
    }
}
