// Moves money between accounts on two servers, with a transaction manager (Narayana) and
// XA: each transfer is one version on both, so a reader as of a version that is stable on
// both sees it whole or not at all.
//
//   java Transfer run DIRECTORY URL URL THREADS SECONDS    transfers, for so long
//   java Transfer recover DIRECTORY URL URL                ends what is in doubt
//
// The directory is the transaction manager's log: whoever recovers needs that of who died.

import com.arjuna.ats.arjuna.common.arjPropertyManager;
import com.arjuna.ats.arjuna.common.ObjectStoreEnvironmentBean;
import com.arjuna.ats.arjuna.recovery.RecoveryManager;
import com.arjuna.ats.internal.jta.recovery.arjunacore.JTANodeNameXAResourceOrphanFilter;
import com.arjuna.ats.internal.jta.recovery.arjunacore.JTATransactionLogXAResourceOrphanFilter;
import com.arjuna.ats.internal.jta.recovery.arjunacore.XARecoveryModule;
import com.arjuna.ats.jta.common.jtaPropertyManager;
import com.arjuna.ats.jta.recovery.XAResourceRecoveryHelper;
import com.arjuna.common.internal.util.propertyservice.BeanPopulator;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.XAConnection;
import javax.transaction.xa.XAResource;
import org.postgresql.xa.PGXADataSource;

public class Transfer {
	static final int ACCOUNTS = 10;
	static final AtomicInteger done = new AtomicInteger();
	static final AtomicInteger failed = new AtomicInteger();

	// One server: its connection, made anew when it is lost.
	static class Server {
		final PGXADataSource source = new PGXADataSource();
		private XAConnection xa;
		private Connection connection;

		Server(String url) {
			source.setUrl(url);
			source.setConnectTimeout(5);
		}

		XAResource resource() throws SQLException {
			if (xa == null) {
				xa = source.getXAConnection();
				connection = xa.getConnection();
			}
			return xa.getXAResource();
		}

		void close() {
			try {
				if (xa != null)
					xa.close();
			} catch (SQLException e) {
				// it is lost
			}
			xa = null;
			connection = null;
		}

		// The only value of a query, with texts and numbers as parameters.
		String ask(String query, Object... parameters) throws SQLException {
			try (PreparedStatement statement = connection.prepareStatement(query)) {
				for (int i = 0; i < parameters.length; i++)
					statement.setObject(i + 1, parameters[i]);
				try (ResultSet result = statement.executeQuery()) {
					result.next();
					return result.getString(1);
				}
			}
		}
	}

	// Move an amount from an account of one server to an account of the other.
	static void transfer(TransactionManager manager, Server from, Server to, String payer, String payee, long amount) throws Exception {
		boolean ended = false;
		manager.begin();
		try {
			for (Server server : List.of(from, to))
				manager.getTransaction().enlistResource(server.resource());

			// One version for both: above all that either has handed out.
			long version = 0;
			for (Server server : List.of(from, to)) {
				server.ask("SELECT set_config('lock_timeout', '1s', true)");
				version = Math.max(version, Long.parseLong(server.ask("SELECT mvstore_current_version()")) + 1);
			}
			for (Server server : List.of(from, to))
				server.ask("SELECT mvstore_use_version(?)", version);

			change(from, payer, -amount);
			change(to, payee, amount);
			ended = true;
			manager.commit();
		} finally {
			if (!ended)
				manager.rollback();
		}
	}

	static void change(Server server, String account, long amount) throws SQLException {
		server.ask("SELECT mvstore_lock('balance', ?)", account);
		long balance = Long.parseLong(server.ask("SELECT mvstore_get('balance', ?)", account));
		server.ask("SELECT mvstore_put('balance', ?, ?)", account, Long.toString(balance + amount));
	}

	static void transfers(TransactionManager manager, String[] urls, long end, long seed) {
		Random dice = new Random(seed);
		Server[] servers = {new Server(urls[0]), new Server(urls[1])};

		while (System.currentTimeMillis() < end) {
			int from = dice.nextInt(2);
			try {
				transfer(manager, servers[from], servers[1 - from], "a" + dice.nextInt(ACCOUNTS), "a" + dice.nextInt(ACCOUNTS), 1 + dice.nextInt(100));
				done.incrementAndGet();
			} catch (Exception e) {
				// Another was there before, or a server is down: nothing was moved, or all will be.
				failed.incrementAndGet();
				for (Server server : servers)
					server.close();
				try {
					Thread.sleep(dice.nextInt(50));
				} catch (InterruptedException i) {
					return;
				}
			}
		}
	}

	static RecoveryManager recovery(String[] urls) {
		RecoveryManager recovery = RecoveryManager.manager(RecoveryManager.DIRECT_MANAGEMENT);
		XARecoveryModule module = null;

		for (var candidate : recovery.getModules())
			if (candidate instanceof XARecoveryModule)
				module = (XARecoveryModule) candidate;
		for (String url : urls) {
			Server server = new Server(url);
			module.addXAResourceRecoveryHelper(new XAResourceRecoveryHelper() {
				public boolean initialise(String p) {
					return true;
				}

				public XAResource[] getXAResources() throws Exception {
					server.close();
					return new XAResource[] {server.resource()};
				}
			});
		}
		return recovery;
	}

	// How many are in doubt, on both servers; a server that is down counts as one.
	static int inDoubt(String[] urls) {
		int count = 0;
		for (String url : urls) {
			Server server = new Server(url);
			try {
				server.resource();
				count += Integer.parseInt(server.ask("SELECT count(*) FROM pg_prepared_xacts"));
			} catch (SQLException e) {
				count++;
			}
			server.close();
		}
		return count;
	}

	public static void main(String[] arguments) throws Exception {
		String[] urls = {arguments[2], arguments[3]};

		arjPropertyManager.getCoreEnvironmentBean().setNodeIdentifier("1");
		for (String store : new String[] {"default", "communicationStore", "stateStore"})
			BeanPopulator.getNamedInstance(ObjectStoreEnvironmentBean.class, store.equals("default") ? null : store).setObjectStoreDir(arguments[1]);
		jtaPropertyManager.getJTAEnvironmentBean().setXaRecoveryNodes(List.of("1"));
		jtaPropertyManager.getJTAEnvironmentBean().setXaResourceOrphanFilterClassNames(
			List.of(JTATransactionLogXAResourceOrphanFilter.class.getName(), JTANodeNameXAResourceOrphanFilter.class.getName()));
		jtaPropertyManager.getJTAEnvironmentBean().setOrphanSafetyInterval(1000);
		com.arjuna.ats.arjuna.common.recoveryPropertyManager.getRecoveryEnvironmentBean().setRecoveryBackoffPeriod(1);
		TransactionManager manager = com.arjuna.ats.jta.TransactionManager.transactionManager();

		if (arguments[0].equals("recover")) {
			RecoveryManager recovery = recovery(urls);
			long end = System.currentTimeMillis() + 120_000;
			int left;
			while ((left = inDoubt(urls)) > 0 && System.currentTimeMillis() < end)
				recovery.scan();
			System.out.println("in doubt: " + left);
			System.exit(left == 0 ? 0 : 1);
		}

		long end = System.currentTimeMillis() + Long.parseLong(arguments[5]) * 1000;
		Thread[] threads = new Thread[Integer.parseInt(arguments[4])];
		for (int i = 0; i < threads.length; i++) {
			long seed = System.nanoTime() + i;
			threads[i] = new Thread(() -> transfers(manager, urls, end, seed));
			threads[i].start();
		}
		new Thread(() -> {
			for (;;) {
				System.out.println("transfers: " + done + " failed: " + failed);
				try {
					Thread.sleep(200);
				} catch (InterruptedException e) {
					return;
				}
			}
		}) {{ setDaemon(true); }}.start();
		for (Thread thread : threads)
			thread.join();
		System.out.println("transfers: " + done + " failed: " + failed);
		System.exit(0);
	}
}
