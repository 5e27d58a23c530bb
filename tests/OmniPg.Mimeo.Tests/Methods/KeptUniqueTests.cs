using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables that keep rows which their source has deleted: the values of such a row come again there.</summary>
public sealed class KeptUniqueTests(PgClusterFixture fixture)
{
    private const string Indexes = "SELECT string_agg(replace(pg_get_indexdef(indexrelid), ' ON public.users USING btree ', ' '), ', ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'users'::regclass AND indexrelid::regclass::text <> 'users_mimeo_source_deleted'";

    [Theory]
    [InlineData(ReplicationKind.Dml, true, false)]
    [InlineData(ReplicationKind.Logical, true, false)]
    [InlineData(ReplicationKind.Logdel, false, false)]
    [InlineData(ReplicationKind.Logdel, false, true)]
    public async Task A_value_that_another_row_takes_over_arrives(ReplicationKind kind, bool ignoreDeletes, bool keepHistory)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, code text UNIQUE, UNIQUE (code, id)); INSERT INTO users SELECT i, 'mail' || i, 'code' || i FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(kind, "public.users", s => s with { IgnoreDeletes = ignoreDeletes, KeepHistory = keepHistory });

        await mimeo.Databases.AtSourceAsync("DELETE FROM users WHERE id IN (1, 2); INSERT INTO users VALUES (11, 'mail1', 'code1'), (0, 'mail2', 'code2')");
        var refreshed = await mimeo.RefreshAsync("public.users");
        await mimeo.Databases.AtSourceAsync("UPDATE users SET email = 'other' WHERE id = 3; INSERT INTO users VALUES (12, 'mail3', 'code12')");
        await mimeo.RefreshAsync("public.users");

        refreshed.Warnings.Should().BeEmpty();
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, email, code), ', ' ORDER BY id) FROM users WHERE id NOT BETWEEN 4 AND 10"))
            .Should().Be("0 mail2 code2, 1 mail1 code1, 2 mail2 code2, 3 other code3, 11 mail1 code1, 12 mail3 code12");
        (await mimeo.Databases.DestinationAsync<string>(Indexes)).Should().Be(
            "CREATE UNIQUE INDEX users_code_id_key (code, id), CREATE INDEX users_code_key (code), CREATE INDEX users_email_key (email), CREATE UNIQUE INDEX users_id_pk (id)");
    }

    [Theory]
    [InlineData(ReplicationKind.Logdel, "id int PRIMARY KEY, email text NOT NULL UNIQUE", "email", "CREATE UNIQUE INDEX users_email_key (email), CREATE INDEX users_pkey (id)")]
    [InlineData(ReplicationKind.Dml, "id int PRIMARY KEY DEFERRABLE, email text NOT NULL UNIQUE", "email", "CREATE UNIQUE INDEX users_email_key (email), CREATE INDEX users_pkey (id)")]
    [InlineData(ReplicationKind.Dml, "id int PRIMARY KEY DEFERRABLE, email text NOT NULL UNIQUE", "id", "CREATE INDEX users_email_key (email), CREATE UNIQUE INDEX users_id_idx (id), CREATE UNIQUE INDEX users_id_pk (id)")]
    public async Task Of_a_key_that_was_given_the_primary_one_need_not_be_unique(ReplicationKind kind, string columns, string key, string indexes)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE users ({columns}); INSERT INTO users SELECT i, 'mail' || i FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(kind, "public.users", s => s with { Key = [key], IgnoreDeletes = kind == ReplicationKind.Dml });

        await mimeo.Databases.AtSourceAsync($"DELETE FROM users WHERE id = 1; INSERT INTO users VALUES {(key == "id" ? "(11, 'mail1')" : "(1, 'mail11')")}");
        await mimeo.RefreshAsync("public.users");

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || ' ' || email, ', ' ORDER BY id, email) FROM users WHERE id NOT BETWEEN 2 AND 10")).Should().Be(key == "id" ? "1 mail1, 11 mail1" : "1 mail1, 1 mail11");
        (await mimeo.Databases.DestinationAsync<string>(Indexes)).Should().Be(indexes);
    }

    [Fact]
    public async Task An_index_that_is_unique_in_a_table_that_is_there_is_told_and_its_refusal_says_what_to_do()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        const string Told = "'public.users' keeps rows that its source has deleted, and its index users_email_key is unique: a value of such a row that comes again stops every refresh. Drop the index, or make it one of the rows that are live.";
        await mimeo.Databases.AtSourceAsync("CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE); INSERT INTO users VALUES (1, 'mail')");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, mimeo_source_deleted timestamptz)");

        (await mimeo.CreateAsync(ReplicationKind.Logdel, "public.users")).Warnings.Should().Equal(Told);
        (await mimeo.RefreshAsync("public.users", new RefreshOptions { Repull = Repull.All })).Warnings.Should().Equal(Told);
        await mimeo.Databases.AtSourceAsync("DELETE FROM users; INSERT INTO users VALUES (2, 'mail')");
        var refreshing = () => mimeo.RefreshAsync("public.users");

        var error = (await refreshing.Should().ThrowAsync<MimeoServerException>()).Which;
        (error.SqlState, error.Hint).Should().Be(("23505", "An index of the destination refuses what the source has. Where rows stay that were deleted there, nothing but the key can be unique: drop that index, or make it one of live rows."));
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM omnipg_mimeo.public_users_q")).Should().Be(2);
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE users DROP CONSTRAINT users_email_key; CREATE UNIQUE INDEX ON users (email) WHERE mimeo_source_deleted IS NULL");
        (await mimeo.RefreshAsync("public.users")).Warnings.Should().BeEmpty();
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, email, mimeo_source_deleted IS NULL), ', ' ORDER BY id) FROM users")).Should().Be("1 mail f, 2 mail t");
    }
}
